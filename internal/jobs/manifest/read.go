package manifest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// keptParts is how many parts a Reader keeps: batches of some jobs take turns, and those of a job
// are in the order of the manifest.
const keptParts = 4

// maxLine is the longest line of a manifest, in bytes: two names and numbers.
const maxLine = 64 << 10

// Reader reads ranges of manifests. It is safe for concurrent use.
type Reader struct {
	from store.Store

	mu   sync.Mutex
	kept []part // the most recently used one is the last
}

// part is a part of a manifest by the name of its object.
type part struct {
	key   string
	items []Item
}

// NewReader makes a reader of the manifests in a store.
func NewReader(from store.Store) *Reader { return &Reader{from: from} }

// Read returns the items of a range, which must be in one part of the job's manifest.
func (r *Reader) Read(ctx context.Context, job *schema.Job, items schema.Range) ([]Item, error) {
	number := items.From / schema.PartItems
	key := job.ManifestKey(number)
	all, err := r.part(ctx, key)
	if err != nil {
		return nil, err
	}
	first := items.From - number*schema.PartItems
	if first+items.N > len(all) {
		return nil, fmt.Errorf("%s: %w: it has %d items, expected items %d to %d of it", key, schema.ErrInvalid, len(all), first, first+items.N-1)
	}
	return all[first : first+items.N], nil
}

func (r *Reader) part(ctx context.Context, key string) ([]Item, error) {
	r.mu.Lock()
	for i, p := range r.kept {
		if p.key == key {
			r.kept = append(append(r.kept[:i:i], r.kept[i+1:]...), p)
			r.mu.Unlock()
			return p.items, nil
		}
	}
	r.mu.Unlock()
	items, err := readPart(ctx, r.from, key)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, part{key, items})
	if len(r.kept) > keptParts {
		r.kept = r.kept[1:]
	}
	return items, nil
}

func readPart(ctx context.Context, from store.Store, key string) ([]Item, error) {
	body, _, err := from.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	plain, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	defer plain.Close()
	var items []Item
	err = eachLine(plain, func(line []byte) error {
		item, err := parseItem(line)
		items = append(items, item)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return items, nil
}

// eachLine calls f for each line that is not empty. An error names the line.
func eachLine(r io.Reader, f func(line []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		text := bytes.TrimSuffix(lines.Bytes(), []byte{'\r'})
		if len(text) == 0 {
			continue
		}
		if err := f(text); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number+1, err)
	}
	return nil
}
