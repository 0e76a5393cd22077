package cli

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/declip/declip"
	"github.com/declip/declip/internal/picture"
)

// pixelsInWork bounds how many pixels are between the decoder and the disk at
// once: small pictures overlap, large ones take turns.
const pixelsInWork = 24_000_000

// pipeline localizes pictures one after the other, decoding the next and writing
// the one before meanwhile.
type pipeline struct {
	model   *declip.Model
	options localizeOptions
	reports reporter
	bar     *progress
}

// work is one picture on its way through the pipeline.
type work struct {
	input   input
	decoded *picture.Decoded
	result  *declip.Result
	files   files
	err     error
	elapsed time.Duration // spent on it, without waiting
	pixels  int64         // held of pixelsInWork
}

// did counts the time since start as spent on w.
func (w *work) did(start time.Time) { w.elapsed += time.Since(start) }

// run takes the inputs through and reports each in order. It gives how many
// failed; the error is one that ends everything.
func (p *pipeline) run(ctx context.Context, inputs []input) (failed int, err error) {
	decoded, localized := make(chan *work), make(chan *work)
	room := semaphore.NewWeighted(pixelsInWork)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(decoded)
		for _, in := range inputs {
			if err := send(ctx, decoded, p.decode(in)); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		defer close(localized)
		for w := range decoded {
			if err := p.localize(ctx, w, room); err != nil {
				return err
			}
			if err := send(ctx, localized, w); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		done := 0
		for w := range localized {
			p.write(w)
			room.Release(w.pixels)
			if w.err != nil {
				failed++
			}
			if err := p.reports.report(w); err != nil {
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

func send(ctx context.Context, to chan<- *work, w *work) error {
	select {
	case to <- w:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pipeline) decode(in input) *work {
	w := &work{input: in, err: in.err}
	if w.err == nil {
		defer w.did(time.Now())
		w.decoded, w.err = picture.Open(in.path, picture.Limits{MaxPixels: p.options.maxPixels})
	}
	return w
}

// localize runs the model on w. Its own error is that the work was called off.
func (p *pipeline) localize(ctx context.Context, w *work, room *semaphore.Weighted) error {
	if w.err != nil {
		return nil
	}
	pixels := min(pixelsInWork, int64(w.decoded.Width)*int64(w.decoded.Height))
	if err := room.Acquire(ctx, pixels); err != nil {
		return context.Cause(ctx)
	}
	w.pixels = pixels
	defer w.did(time.Now())
	w.result, w.err = p.model.Localize(ctx, w.decoded.RGB)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.err != nil {
		w.err = fmt.Errorf("%s: %w", w.input.path, w.err)
	}
	return nil
}

// write writes the results of w.
func (p *pipeline) write(w *work) {
	if w.err == nil {
		defer w.did(time.Now())
		w.files, w.err = writeResults(p.options, w)
	}
}
