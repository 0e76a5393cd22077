package manifest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/klauspost/compress/zstd"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// Write writes the manifest of a job and returns the number of its items. Memory holds one part at
// a time. An error of items ends the writing.
func Write(ctx context.Context, to store.Store, job *schema.Job, items iter.Seq2[Item, error]) (int, error) {
	w := &writer{to: to, job: job}
	for item, err := range items {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = w.add(ctx, item)
		}
		if err != nil {
			return w.items, err
		}
	}
	return w.items, w.flush(ctx)
}

type writer struct {
	to    store.Store
	job   *schema.Job
	part  bytes.Buffer
	items int
}

func (w *writer) add(ctx context.Context, item Item) error {
	if err := item.Check(); err != nil {
		return err
	}
	line, err := json.Marshal(item)
	if err != nil {
		return err
	}
	w.part.Write(line)
	w.part.WriteByte('\n')
	if w.items++; w.items%schema.PartItems == 0 {
		return w.flush(ctx)
	}
	return nil
}

// flush writes the items that no part has yet.
func (w *writer) flush(ctx context.Context) error {
	if w.part.Len() == 0 {
		return nil
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	key := w.job.ManifestKey((w.items - 1) / schema.PartItems)
	if err := w.to.Put(ctx, key, bytes.NewReader(encoder.EncodeAll(w.part.Bytes(), nil))); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	w.part.Reset()
	return encoder.Close()
}
