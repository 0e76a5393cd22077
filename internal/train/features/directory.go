package features

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/declip/declip/internal/files"
)

// shardSize is the largest size of a shard: 1 GiB, less in small caches, because space is freed in
// whole shards, and more in very large ones, because all shards are open.
func (c *Cache) shardSize() int64 {
	return max(min(1<<30, c.options.Size/8), c.options.Size/64, 1<<16)
}

// scan lists the directory: it opens new shards of other processes, and reads what was added to
// known ones.
func (c *Cache) scan() error {
	names, err := shardNames(c.options.Dir)
	if err != nil {
		return err
	}
	c.listed = time.Now()
	for _, name := range names {
		if c.shards[name] != nil {
			continue
		}
		// A shard that is being created or removed lacks a file.
		s, err := openShard(c.options.Dir, name)
		switch {
		case err == nil:
			c.shards[name] = s
		case !errors.Is(err, fs.ErrNotExist):
			c.warn("open", fmt.Errorf("feature cache %s: some of it cannot be read and is computed again: %w", c.options.Dir, err))
		}
	}
	for name, s := range c.shards {
		if !slices.Contains(names, name) && s != c.writer {
			c.forget(s) // removed by another process
			continue
		}
		if s != c.writer {
			c.take(s)
		}
	}
	return nil
}

// shardNames lists the shards of a directory in the order of their names.
func shardNames(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		if name := shardName(f.Name()); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// take adds the new entries of a shard; of equal keys, the later entry counts.
func (c *Cache) take(s *shard) {
	_ = s.entries(func(key Key, e entry) { c.entries[key] = e })
}

// forget drops a shard and its records. A record that is being read can be read to its end.
func (c *Cache) forget(s *shard) {
	for key, e := range c.entries {
		if e.shard == s {
			delete(c.entries, key)
		}
	}
	delete(c.shards, s.name)
	// Not closed: a Get may have found it a moment ago. The garbage collector closes it.
}

// takeWriter finds a shard to add to: one that no process adds to, or a new one.
func (c *Cache) takeWriter(length int64) error {
	for _, s := range c.shards {
		if s.end+length <= c.shardSize() && s.adopt(func() { c.take(s) }) {
			if s.end+length <= c.shardSize() {
				c.writer = s
				return nil
			}
			s.release()
		}
	}
	s, err := newShard(c.options.Dir)
	if err != nil {
		return err
	}
	c.shards[s.name], c.writer = s, s
	return nil
}

// makeRoom says whether length bytes may be added, after removing unused shards if necessary.
func (c *Cache) makeRoom(length int64) bool {
	sizes, total := c.sizes()
	if total+length > c.options.Size {
		names := make([]string, 0, len(sizes))
		for name := range sizes {
			names = append(names, name)
		}
		used := func(name string) time.Time {
			info, err := os.Stat(filepath.Join(c.options.Dir, name+indexSuffix))
			if err != nil {
				return time.Time{} // a shard without an index is useless
			}
			return info.ModTime()
		}
		slices.SortFunc(names, func(a, b string) int { return used(a).Compare(used(b)) })
		for _, name := range names {
			if total+length <= c.options.Size {
				break
			}
			if remove(c.options.Dir, name) {
				total -= sizes[name]
				if s := c.shards[name]; s != nil {
					c.forget(s)
				}
			}
		}
	}
	if total+length > c.options.Size {
		c.warn("full", fmt.Errorf("feature cache %s is full with %s: features that do not fit are computed each time (--cache-size raises the limit)",
			c.options.Dir, bytesText(total)))
		return false
	}
	if free, known := files.FreeSpace(c.options.Dir); known && free < length+c.options.Reserve {
		c.warn("disk", fmt.Errorf("feature cache %s: the disk has %s left, %s of which must stay free: nothing more is added",
			c.options.Dir, bytesText(free), bytesText(c.options.Reserve)))
		return false
	}
	return true
}

// sizes is the size in bytes of every shard in the directory, and their sum.
func (c *Cache) sizes() (map[string]int64, int64) { return shardSizes(c.options.Dir) }

func shardSizes(dir string) (sizes map[string]int64, total int64) {
	sizes = map[string]int64{}
	files, _ := os.ReadDir(dir) // an unreadable directory is noticed when a record is added
	for _, f := range files {
		name := shardName(f.Name())
		if name == "" {
			continue
		}
		if info, err := f.Info(); err == nil {
			sizes[name] += info.Size()
			total += info.Size()
		}
	}
	return sizes, total
}

// remove deletes a shard that no process uses, and says whether it did.
func remove(dir, name string) bool {
	var open []*os.File
	defer func() {
		for _, f := range open {
			f.Close()
		}
	}()
	for _, suffix := range []string{indexSuffix, dataSuffix} {
		f, err := os.OpenFile(filepath.Join(dir, name+suffix), os.O_RDWR, 0)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return false
		}
		open = append(open, f)
		if files.LockExclusive(f) != nil {
			return false
		}
	}
	// The index first: data without one are litter to all, an index without data would have to be
	// read.
	for _, f := range open {
		if files.Remove(f.Name()) != nil {
			return false
		}
	}
	return true
}

// bytesText formats a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
