// Package features keeps what frozen backbones see in pictures on the disk, so that each picture runs through a
// backbone once and not in every epoch.
//
// A cache is a folder of shards: a large file of values that is only added to, with an index beside it. Every record
// and every entry of an index carries a checksum, so that one that was cut short or damaged counts as not there. Any
// number of processes may use a folder at once: each adds to shards of its own, which it holds locked, and reads all.
// Nothing depends on what the cache holds but time: a caller computes what it does not find.
package features

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/declip/declip/internal/nn/weights"
)

// Defaults of Options.
const (
	DefaultSize    = 20 << 30
	defaultReserve = 2 << 30
)

// Key names a record: what was computed, of what.
type Key [32]byte

// PictureHash is a picture by its content.
type PictureHash [32]byte

// HashPicture tells a picture by the values that a network is given for it: whatever file it came from, however it was
// prepared and varied, equal values mean the same picture.
func HashPicture(pixels []float32) PictureHash { return weights.Sum(pixels) }

// Key is that of something computed from the picture, told by parts: the backbone's digest, the layer, and whatever
// else it depends on.
func (p PictureHash) Key(parts ...string) Key {
	hash := sha256.New()
	hash.Write(p[:])
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return Key(hash.Sum(nil))
}

// Options say where a cache is and how large it may become.
type Options struct {
	Dir string // made if need be
	// Size is the most that all files of the cache together may hold, in bytes; 0 = DefaultSize. When it is reached,
	// whole shards make room that no running process uses, those first that were not used for longest; where there is
	// none, nothing more is added. (Epochs go through the pictures in turn: to put out one that is used for
	// another that is used would gain nothing.)
	Size int64
	// Reserve is the space that is left free on the disk, in bytes; 0 = 2 GiB. A cache must not leave checkpoints
	// without room.
	Reserve int64
	// Warn is told once of each kind of trouble: records that are damaged, no room, files that cannot be written. It must
	// not use the cache. May be nil.
	Warn func(error)
}

// Cache is an open folder. It is safe for concurrent use.
type Cache struct {
	options Options

	mu      sync.RWMutex
	entries map[Key]entry
	shards  map[string]*shard // by name
	writer  *shard            // among shards; nil until something is added
	listed  time.Time         // when the folder was last looked through
	stopped bool              // nothing can be written any more
	fullAt  time.Time         // when there was last no room; zero if there is

	warnings sync.Mutex
	warned   map[string]bool

	hits, misses, added, damaged atomic.Int64
}

// Stats count what a Cache was asked for since it was opened.
type Stats struct{ Hits, Misses, Added, Damaged int64 }

// DefaultDir is the folder in the user's place for caches.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for a feature cache: %w", err)
	}
	return filepath.Join(dir, "declip", "features"), nil
}

// Open opens a cache, an empty one where there is none.
func Open(options Options) (*Cache, error) {
	if options.Size == 0 {
		options.Size = DefaultSize
	}
	if options.Reserve == 0 {
		options.Reserve = defaultReserve
	}
	c := &Cache{options: options, entries: map[Key]entry{}, shards: map[string]*shard{}, warned: map[string]bool{}}
	if err := prepare(options.Dir); err != nil {
		return nil, fmt.Errorf("feature cache: %w", err)
	}
	if err := c.look(); err != nil {
		return nil, fmt.Errorf("feature cache %s: %w", options.Dir, err)
	}
	return c, nil
}

// prepare makes the folder, with the mark by which backup programs know that it can be left out.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tag := filepath.Join(dir, "CACHEDIR.TAG")
	if _, err := os.Stat(tag); err == nil {
		return nil
	}
	// A folder that cannot be written to may still be read from; a full disk is noticed when something is added.
	_ = os.WriteFile(tag, []byte("Signature: 8a477f597d28d172789f06886806bc55\n# Features of pictures, made by declip; may be deleted.\n"), 0o644)
	return nil
}

// Get reads a record of len(dst) values into dst. Without one, or if it is damaged, it says false, and dst holds
// anything.
func (c *Cache) Get(key Key, dst []float32) bool {
	e, ok := c.find(key)
	if !ok || e.count != len(dst) {
		c.misses.Add(1)
		return false
	}
	if err := e.read(dst); err != nil {
		c.discard(key, e)
		c.damaged.Add(1)
		c.misses.Add(1)
		c.warn("damaged", fmt.Errorf("feature cache %s: %w; it is computed anew", c.options.Dir, err))
		return false
	}
	c.hits.Add(1)
	e.shard.use()
	return true
}

// find looks a key up, among what other processes added meanwhile, too.
func (c *Cache) find(key Key) (entry, bool) {
	c.mu.RLock()
	e, ok := c.entries[key]
	c.mu.RUnlock()
	if ok {
		return e, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh()
	e, ok = c.entries[key]
	return e, ok
}

// refreshEvery is how often the folder is looked through for shards of others; known ones are looked at each time.
const refreshEvery = time.Second

// refresh takes in what other processes added. Trouble with it means recomputing, no more.
func (c *Cache) refresh() {
	if time.Since(c.listed) >= refreshEvery {
		_ = c.look()
		return
	}
	for _, s := range c.shards {
		if s != c.writer {
			c.take(s)
		}
	}
}

// Put adds a record, unless it is there. With half set the values are stored as Round leaves them. A cache that
// cannot take it, because it or the disk is full, says so once through Options.Warn and goes on without.
func (c *Cache) Put(key Key, values []float32, half bool) {
	data, kind := encode(values, half)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || !c.fullAt.IsZero() && time.Since(c.fullAt) < refreshEvery {
		return
	}
	c.refresh()
	if _, ok := c.entries[key]; ok {
		return
	}
	if !c.makeRoom(int64(len(data)) + entryBytes) {
		c.fullAt = time.Now()
		return
	}
	c.fullAt = time.Time{}
	if err := c.append(key, data, len(values), kind); err != nil {
		c.stopped = true
		c.warn("write", fmt.Errorf("feature cache %s: %w; going on without adding to it", c.options.Dir, err))
		return
	}
	c.added.Add(1)
}

// append writes a record and its entry to the shard of this process.
func (c *Cache) append(key Key, data []byte, count int, kind uint32) error {
	if c.writer != nil && c.writer.end+int64(len(data)) > c.shardSize() {
		c.writer.release()
		c.writer = nil
	}
	if c.writer == nil {
		if err := c.takeWriter(int64(len(data))); err != nil {
			return err
		}
	}
	e, err := c.writer.add(key, data, count, kind)
	if err != nil {
		return err
	}
	c.entries[key] = e
	return nil
}

// discard forgets a damaged record, here and in the index.
func (c *Cache) discard(key Key, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key] == e {
		delete(c.entries, key)
		e.shard.strike(e)
	}
}

// warn tells about a kind of trouble once.
func (c *Cache) warn(kind string, err error) {
	c.warnings.Lock()
	defer c.warnings.Unlock()
	if !c.warned[kind] && c.options.Warn != nil {
		c.options.Warn(err)
	}
	c.warned[kind] = true
}

// Stats counts so far.
func (c *Cache) Stats() Stats {
	return Stats{c.hits.Load(), c.misses.Load(), c.added.Load(), c.damaged.Load()}
}

// Close ends the use of the folder. No other call must be under way.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.shards {
		if s.used.Load() {
			s.touch()
		}
		s.close()
	}
	c.shards, c.entries, c.writer, c.stopped = nil, nil, nil, true
	return nil
}
