package queue

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// memoryBucket is guarded by its Memory's lock.
type memoryBucket struct {
	memory  *Memory
	name    string
	last    uint64 // revision
	changes []Change
}

// Bucket is Engine.Bucket.
func (m *Memory) Bucket(name string) (Bucket, error) {
	if !slices.Contains([]string{BucketJobs, BucketTries, BucketLeases, BucketRuns}, name) {
		return nil, fmt.Errorf("bucket %q: %w", name, ErrNotFound)
	}
	return memoryKeys{m, name}, nil
}

// memoryKeys finds its bucket at each operation, as a Reset replaces them.
type memoryKeys struct {
	memory *Memory
	name   string
}

func (k memoryKeys) begin(ctx context.Context, operation, key string) (*memoryBucket, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if err := k.memory.begin(ctx, operation, key); err != nil {
		return nil, err
	}
	b := k.memory.buckets[k.name]
	b.expire()
	return b, nil
}

// expire deletes the leases that were not renewed.
func (b *memoryBucket) expire() {
	if b.name != BucketLeases {
		return
	}
	ttl := LeaseTTL
	if b.memory.LeaseTTL > 0 {
		ttl = b.memory.LeaseTTL
	}
	for _, e := range b.entries(">") {
		if time.Since(e.Time) > ttl {
			b.set(Change{Deleted, Entry{Key: e.Key}})
		}
	}
}

// set appends a change.
func (b *memoryBucket) set(c Change) uint64 {
	b.last++
	c.Revision, c.Time = b.last, time.Now()
	b.changes = append(b.changes, c)
	b.memory.signal()
	return b.last
}

// entry is the value of a key, nil if it has none.
func (b *memoryBucket) entry(key string) *Entry {
	for _, c := range slices.Backward(b.changes) {
		if c.Key == key {
			if c.Kind == Deleted {
				return nil
			}
			e := c.Entry
			return &e
		}
	}
	return nil
}

// entries are those that filter selects, by revision.
func (b *memoryBucket) entries(filter string) (list []Entry) {
	latest := map[string]Change{}
	for _, c := range b.changes {
		latest[c.Key] = c
	}
	for key, c := range latest {
		if c.Kind == Set && matches(filter, key) {
			list = append(list, c.Entry)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.Revision, b.Revision) })
	return list
}

func (k memoryKeys) Get(ctx context.Context, key string) (Entry, error) {
	b, err := k.begin(ctx, "get", key)
	if err != nil {
		return Entry{}, err
	}
	defer k.memory.mu.Unlock()
	if e := b.entry(key); e != nil {
		return *e, nil
	}
	return Entry{}, fmt.Errorf("%s %s: %w", k.name, key, ErrNotFound)
}

func (k memoryKeys) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	return k.write(ctx, "create", key, value, func(e *Entry) error {
		if e != nil {
			return ErrExists
		}
		return nil
	})
}

func (k memoryKeys) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return k.write(ctx, "update", key, value, func(e *Entry) error {
		if e == nil || e.Revision != revision {
			return ErrConflict
		}
		return nil
	})
}

func (k memoryKeys) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return k.write(ctx, "set", key, value, func(*Entry) error { return nil })
}

// write sets a key if check permits it.
func (k memoryKeys) write(ctx context.Context, operation, key string, value []byte, check func(*Entry) error) (uint64, error) {
	if err := checkBody(key, value); err != nil {
		return 0, err
	}
	b, err := k.begin(ctx, operation, key)
	if err != nil {
		return 0, err
	}
	defer k.memory.mu.Unlock()
	if err := check(b.entry(key)); err != nil {
		return 0, fmt.Errorf("%s %s: %w", k.name, key, err)
	}
	return b.set(Change{Set, Entry{Key: key, Value: slices.Clone(value)}}), nil
}

func (k memoryKeys) Delete(ctx context.Context, key string, revision uint64) error {
	b, err := k.begin(ctx, "delete", key)
	if err != nil {
		return err
	}
	defer k.memory.mu.Unlock()
	e := b.entry(key)
	switch {
	case e == nil:
		return nil
	case revision != 0 && e.Revision != revision:
		return fmt.Errorf("%s %s: %w", k.name, key, ErrConflict)
	}
	b.set(Change{Deleted, Entry{Key: key}})
	return nil
}

func (k memoryKeys) List(ctx context.Context, filter string) ([]Entry, error) {
	if err := checkFilter(filter); err != nil {
		return nil, err
	}
	if err := k.memory.begin(ctx, "list", filter); err != nil {
		return nil, err
	}
	defer k.memory.mu.Unlock()
	b := k.memory.buckets[k.name]
	b.expire()
	return b.entries(filter), nil
}

func (k memoryKeys) Keys(ctx context.Context, filter string) (list []string, err error) {
	if err := checkFilter(filter); err != nil {
		return nil, err
	}
	if err := k.memory.begin(ctx, "keys", filter); err != nil {
		return nil, err
	}
	defer k.memory.mu.Unlock()
	b := k.memory.buckets[k.name]
	b.expire()
	seen := map[string]bool{}
	for _, c := range b.changes {
		if matches(filter, c.Key) && !seen[c.Key] {
			seen[c.Key] = true
			list = append(list, c.Key)
		}
	}
	return list, nil
}

func (k memoryKeys) Watch(ctx context.Context, filter string) (Watcher, error) {
	if err := checkFilter(filter); err != nil {
		return nil, err
	}
	if err := k.memory.begin(ctx, "watch", filter); err != nil {
		return nil, err
	}
	defer k.memory.mu.Unlock()
	b := k.memory.buckets[k.name]
	b.expire()
	w := &memoryWatcher{keys: k, filter: filter, from: len(b.changes)}
	for _, e := range b.entries(filter) {
		w.ready = append(w.ready, Change{Set, e})
	}
	w.ready = append(w.ready, Change{Kind: Ready})
	return w, nil
}

type memoryWatcher struct {
	keys   memoryKeys
	filter string
	ready  []Change // to be given first
	from   int      // the first change of the bucket to be given after them
	closed bool     // guarded by the memory's lock
}

func (w *memoryWatcher) Next(ctx context.Context) (c Change, err error) {
	err = w.keys.memory.await(ctx, "change", w.filter, func() (bool, error) {
		if w.closed {
			return false, ErrClosed
		}
		if len(w.ready) > 0 {
			c, w.ready = w.ready[0], w.ready[1:]
			return true, nil
		}
		b := w.keys.memory.buckets[w.keys.name]
		b.expire()
		if w.from > len(b.changes) { // after a Reset
			w.from = 0
		}
		for w.from < len(b.changes) {
			c = b.changes[w.from]
			w.from++
			if matches(w.filter, c.Key) {
				return true, nil
			}
		}
		return false, nil
	})
	return c, err
}

func (w *memoryWatcher) Close() error {
	w.keys.memory.mu.Lock()
	defer w.keys.memory.mu.Unlock()
	w.closed = true
	w.keys.memory.signal()
	return nil
}
