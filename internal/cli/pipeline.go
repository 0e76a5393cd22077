package cli

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/picture"
)

// pixelsEach is the size of a picture that memory is planned for. So much for
// each picture of a batch, and for one more, is between the decoder and the disk
// at once: smaller pictures overlap, larger ones take turns.
const pixelsEach = 12_000_000

// maxBatch is the largest batch that can be asked for.
const maxBatch = 256

// pipeline takes pictures through a network in batches, decoding the next and
// writing the one before meanwhile. R is what the network gives for a picture.
type pipeline[R any] struct {
	maxPixels int64
	batch     int // pictures that go through the network together, at least 1
	// process runs the network.
	process func(ctx context.Context, pictures []*picture.Picture) ([]R, error)
	// write writes the results of a picture; its error names the picture.
	write  func(w *work[R]) error
	report func(w *work[R]) error
	bar    *progress
}

// work is one picture on its way through the pipeline.
type work[R any] struct {
	input   input
	decoded *picture.Picture
	result  R
	err     error
	elapsed time.Duration // spent on it, without waiting
	pixels  int64         // held of the pipeline's room
}

// did counts the time since start as spent on w.
func (w *work[R]) did(start time.Time) { w.elapsed += time.Since(start) }

// run takes the inputs through and reports each in order. It gives how many
// failed; the error is one that ends everything.
func (p *pipeline[R]) run(ctx context.Context, inputs []input) (failed int, err error) {
	decoded, processed := make(chan []*work[R]), make(chan *work[R])
	most := pixelsEach * int64(p.batch+1)
	room := semaphore.NewWeighted(most)
	group, ctx := parallel.WithContext(ctx)
	group.Go(func() error {
		defer close(decoded)
		return p.decodeAll(ctx, inputs, decoded)
	})
	group.Go(func() error {
		defer close(processed)
		for batch := range decoded {
			if err := p.processBatch(ctx, batch, room, most); err != nil {
				return err
			}
			for _, w := range batch {
				if err := send(ctx, processed, w); err != nil {
					return err
				}
			}
		}
		return nil
	})
	group.Go(func() error {
		done := 0
		for w := range processed {
			p.finish(w)
			room.Release(w.pixels)
			if w.err != nil {
				failed++
			}
			if err := p.report(w); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
			done++
			p.bar.set(done)
		}
		return nil
	})
	err = group.Wait()
	return failed, err
}

func send[T any](ctx context.Context, to chan<- T, item T) error {
	select {
	case to <- item:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// decodeAll decodes the inputs in their order and sends them on in batches. What
// is in a batch depends on the inputs alone: a full batch is sent, and one that
// the next picture would make larger than memory is planned for.
func (p *pipeline[R]) decodeAll(ctx context.Context, inputs []input, to chan<- []*work[R]) error {
	var batch []*work[R]
	held := int64(0)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		full := batch
		batch, held = nil, 0
		return send(ctx, to, full)
	}
	for _, in := range inputs {
		w := p.decode(in)
		if held+w.pixels > pixelsEach*int64(p.batch) {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, held = append(batch, w), held+w.pixels
		if len(batch) == p.batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (p *pipeline[R]) decode(in input) *work[R] {
	w := &work[R]{input: in, err: in.err}
	if w.err == nil {
		defer w.did(time.Now())
		w.decoded, w.err = picture.Open(in.path, picture.Limits{MaxPixels: p.maxPixels})
	}
	if w.err == nil {
		w.pixels = int64(w.decoded.Width) * int64(w.decoded.Height)
	}
	return w
}

// processBatch runs the network on those of a batch that could be decoded. Its
// own error is that the work was called off.
func (p *pipeline[R]) processBatch(ctx context.Context, batch []*work[R], room *semaphore.Weighted, most int64) error {
	var good []*work[R]
	var pictures []*picture.Picture
	total := int64(0)
	for _, w := range batch {
		w.pixels = min(w.pixels, most)
		total += w.pixels
		if w.err == nil {
			good, pictures = append(good, w), append(pictures, w.decoded)
		}
	}
	if len(good) == 0 {
		return nil
	}
	if err := room.Acquire(ctx, total); err != nil {
		return context.Cause(ctx)
	}
	start := time.Now()
	results, err := p.process(ctx, pictures)
	each := time.Since(start) / time.Duration(len(good))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i, w := range good {
		w.elapsed += each
		if err != nil {
			w.err = fmt.Errorf("%s: %w", w.input.path, err)
			continue
		}
		w.result = results[i]
	}
	return nil
}

// finish writes the results of w.
func (p *pipeline[R]) finish(w *work[R]) {
	if w.err == nil {
		defer w.did(time.Now())
		w.err = p.write(w)
	}
}
