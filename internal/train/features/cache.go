package features

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/nn/weights"
)

// Defaults of Options, in bytes.
const (
	DefaultSize    = 20 << 30
	defaultReserve = 2 << 30
)

// Key names a record by what was computed, and of which picture.
type Key [32]byte

// PictureHash identifies a picture by its content.
type PictureHash [32]byte

// HashPicture hashes the values that a network takes for a picture. Equal values mean the same
// picture, for every file, preparation and augmentation.
func HashPicture(pixels []float32) PictureHash { return weights.Sum(pixels) }

// Key is the key of a result computed from the picture. parts are what else the result depends on:
// the backbone's digest, the layer, and so on.
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
	Dir string // created if needed
	// Size is the largest total size of the cache's files in bytes. When it is reached, shards that
	// no running process uses are removed, the least recently used first; if there are none,
	// nothing more is added. Epochs cycle through the pictures, so evicting one in use for another
	// in use would gain nothing.
	Size int64
	// Reserve is the free space to leave on the disk, in bytes. A cache must not take the space of
	// checkpoints.
	Reserve int64
	// Warn is called once for each kind of problem: damaged records, no space, files that cannot be
	// written. It must not use the cache. May be nil.
	Warn func(error)
}

// DefaultOptions returns the options of a cache in dir.
func DefaultOptions(dir string) Options {
	return Options{Dir: dir, Size: DefaultSize, Reserve: defaultReserve}
}

// Validate names the first option that makes no sense.
func (o Options) Validate() error {
	switch {
	case o.Dir == "":
		return errors.New("feature cache: no directory")
	case o.Size <= 0:
		return fmt.Errorf("feature cache: size of %d bytes: want more than 0", o.Size)
	case o.Reserve < 0:
		return fmt.Errorf("feature cache: reserve of %d bytes: want at least 0", o.Reserve)
	}
	return nil
}

// Cache is an open cache directory. It is safe for concurrent use.
type Cache struct {
	options Options

	mu      sync.RWMutex
	entries map[Key]entry
	shards  map[string]*shard // by name
	writer  *shard            // among shards; nil until something is added
	listed  time.Time         // when the directory was last listed
	stopped bool              // writing has failed
	fullAt  time.Time         // when there was no space last; zero if there is

	warnings sync.Mutex
	warned   map[string]bool

	hits, misses, added, damaged atomic.Int64
}

// Stats counts the requests to a Cache since it was opened.
type Stats struct{ Hits, Misses, Added, Damaged int64 }

// DefaultDir is the cache's directory below the user's cache directory.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("feature cache: no directory for it: %w", err)
	}
	return filepath.Join(dir, "declip", "features"), nil
}

// Open opens a cache. A missing directory is created.
func Open(options Options) (*Cache, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	c := &Cache{options: options, entries: map[Key]entry{}, shards: map[string]*shard{}, warned: map[string]bool{}}
	if err := prepare(options.Dir); err != nil {
		return nil, fmt.Errorf("feature cache: %w", err)
	}
	if err := c.scan(); err != nil {
		return nil, fmt.Errorf("feature cache %s: %w", options.Dir, err)
	}
	return c, nil
}

// prepare creates the directory with the tag by which backup programs skip it.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tag := filepath.Join(dir, "CACHEDIR.TAG")
	if _, err := os.Stat(tag); err == nil {
		return nil
	}
	// A read-only directory may still be read from; a full disk is noticed when a record is added.
	_ = files.WriteBytes(tag, []byte("Signature: 8a477f597d28d172789f06886806bc55\n# Features of pictures, made by declip; may be deleted.\n"))
	return nil
}

// Get reads a record of len(dst) values into dst. It returns false if the record is missing or
// damaged; the contents of dst are then undefined.
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
		c.warn("damaged", fmt.Errorf("feature cache %s: %w; recomputing it", c.options.Dir, err))
		return false
	}
	c.hits.Add(1)
	e.shard.use()
	return true
}

// find looks up a key, also among the records that other processes added meanwhile.
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

// refreshEvery is how often the directory is listed to find shards of other processes; known shards
// are read each time.
const refreshEvery = time.Second

// refresh reads the entries that other processes added. After an error the records are recomputed.
func (c *Cache) refresh() {
	if time.Since(c.listed) >= refreshEvery {
		_ = c.scan()
		return
	}
	for _, s := range c.shards {
		if s != c.writer {
			c.take(s)
		}
	}
}

// Put adds a record unless it exists already. With half set, the values are stored as RoundToHalf
// returns them. If the cache or the disk is full, Options.Warn is called once and the record is
// dropped.
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
		c.warn("write", fmt.Errorf("feature cache %s: %w; nothing more is added to it", c.options.Dir, err))
		return
	}
	c.added.Add(1)
}

// append writes a record and its entry to this process's shard.
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

// discard removes a damaged record, here and in the index.
func (c *Cache) discard(key Key, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key] == e {
		delete(c.entries, key)
		e.shard.invalidate(e)
	}
}

// warn reports each kind of problem once.
func (c *Cache) warn(kind string, err error) {
	c.warnings.Lock()
	defer c.warnings.Unlock()
	if !c.warned[kind] && c.options.Warn != nil {
		c.options.Warn(err)
	}
	c.warned[kind] = true
}

// Stats returns the counts so far.
func (c *Cache) Stats() Stats {
	return Stats{c.hits.Load(), c.misses.Load(), c.added.Load(), c.damaged.Load()}
}

// Close closes the cache. No other call may be in progress.
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
