package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/picture"
)

// pixelsEach is the size of a picture that memory is planned for. Pictures of this size in total,
// one for each place in a batch and one more, are between the decoder and the disk at once: smaller
// pictures overlap, larger ones take turns.
const pixelsEach = 12_000_000

// maxBatch is the largest --batch-size.
const maxBatch = 256

// stageWrite is the fault injection point where results are written.
const stageWrite = "write"

// pipeline runs pictures through a network in batches, while it decodes the next batch and writes
// the results of the previous one. R is the network's result for a picture.
//
// A panic while a picture is decoded, processed or written is an error of that picture.
type pipeline[R any] struct {
	limits picture.Limits
	batch  int // pictures that go through the network together, at least 1
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
	elapsed time.Duration // spent on the picture, without waiting
	pixels  int64         // reserved of the pipeline's room
}

// did counts the time since start as spent on w.
func (w *work[R]) did(start time.Time) { w.elapsed += time.Since(start) }

// run processes the inputs and reports each of them in order. It returns how many failed; err is
// not the error of a picture but one that ended the run.
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

// decodeAll decodes the inputs in their order and sends them on in batches. A batch depends only on
// the inputs: it is sent when it is full, or when the next picture would exceed the planned memory.
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
		w := p.decode(ctx, in)
		if ctx.Err() != nil { // a picture that was stopped has not failed
			return context.Cause(ctx)
		}
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

func (p *pipeline[R]) decode(ctx context.Context, in input) *work[R] {
	w := &work[R]{input: in, err: in.err}
	var file []byte
	if w.err == nil && in.file != nil { // waiting for it is not work
		w.err = w.catch(func() (err error) {
			file, err = in.file(ctx)
			return err
		})
	}
	if w.err == nil {
		defer w.did(time.Now())
		w.err = w.catch(func() (err error) {
			w.decoded, err = in.decode(ctx, file, p.limits)
			return err
		})
	}
	if w.err == nil {
		w.pixels = int64(w.decoded.Width) * int64(w.decoded.Height)
	}
	return w
}

// processBatch runs the network on the pictures of a batch that could be decoded. It returns an
// error only if the work was cancelled.
func (p *pipeline[R]) processBatch(ctx context.Context, batch []*work[R], room *semaphore.Weighted, most int64) error {
	var good []*work[R]
	total := int64(0)
	for _, w := range batch {
		w.pixels = min(w.pixels, most)
		total += w.pixels
		if w.err == nil {
			good = append(good, w)
		}
	}
	if len(good) == 0 {
		return nil
	}
	if err := room.Acquire(ctx, total); err != nil {
		return context.Cause(ctx)
	}
	err := p.processTogether(ctx, good)
	if parallel.Stack(err) != nil && len(good) > 1 {
		// Alone, only the picture that causes the panic fails.
		for i := range good {
			if err := p.processTogether(ctx, good[i:i+1]); err != nil {
				good[i].err = fmt.Errorf("%s: %w", good[i].input.path, err)
			}
		}
		err = nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		for _, w := range good {
			w.err = fmt.Errorf("%s: %w", w.input.path, err)
		}
	}
	return nil
}

// processTogether runs the network once and stores the results. Its error concerns all of the
// pictures.
func (p *pipeline[R]) processTogether(ctx context.Context, batch []*work[R]) error {
	pictures := make([]*picture.Picture, len(batch))
	for i, w := range batch {
		pictures[i] = w.decoded
	}
	start := time.Now()
	var results []R
	err := parallel.Catch(func() (err error) {
		results, err = p.process(ctx, pictures)
		return err
	})
	each := time.Since(start) / time.Duration(len(batch))
	for i, w := range batch {
		w.elapsed += each
		if err == nil {
			w.result = results[i]
		}
	}
	return err
}

// finish writes the results of w.
func (p *pipeline[R]) finish(w *work[R]) {
	if w.err == nil {
		defer w.did(time.Now())
		w.err = w.catch(func() error { return p.write(w) })
	}
}

// catch runs f, whose errors name the picture. An error from a panic gets the picture's name.
func (w *work[R]) catch(f func() error) error {
	err := parallel.Catch(f)
	if parallel.Stack(err) != nil && !strings.HasPrefix(err.Error(), w.input.path) {
		return fmt.Errorf("%s: %w", w.input.path, err)
	}
	return err
}
