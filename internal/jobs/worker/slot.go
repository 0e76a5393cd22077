package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/parallel"
)

// slot works on one batch at a time. While it computes, the next batch is prepared and the last one
// is written.
type slot struct {
	*Worker
	taker queue.Taker
}

func (s *slot) run(ctx context.Context) error {
	prepared, computed := make(chan *batch), make(chan *batch)
	group, ctx := parallel.WithContext(ctx)
	group.Go(func() error {
		defer close(prepared)
		return s.takeAll(ctx, prepared)
	})
	group.Go(func() error {
		defer close(computed)
		return s.computeAll(ctx, prepared, computed)
	})
	group.Go(func() error {
		for b := range computed {
			if err := s.finish(ctx, b); err != nil {
				s.giveBack(ctx, b, err)
			}
		}
		return nil
	})
	return group.Wait()
}

// takeAll takes and prepares batches until ctx ends.
func (s *slot) takeAll(ctx context.Context, prepared chan<- *batch) error {
	for {
		lease, err := s.taker.Take(ctx)
		if err != nil {
			return err
		}
		var b *batch
		caught := parallel.Catch(func() (err error) {
			b, err = s.prepare(ctx, lease)
			return err
		})
		if b == nil {
			return fmt.Errorf("batch %s: %w", lease.Subject(), caught)
		}
		if caught != nil {
			s.giveBack(ctx, b, caught)
			continue
		}
		select {
		case prepared <- b:
		case <-ctx.Done():
			s.giveBack(ctx, b, context.Cause(ctx))
			return context.Cause(ctx)
		}
	}
}

// computeAll works on prepared batches, one after the other.
func (s *slot) computeAll(ctx context.Context, prepared <-chan *batch, computed chan<- *batch) error {
	for b := range prepared {
		s.busy.Add(1)
		start := time.Now()
		err := parallel.Catch(func() error { return s.compute(b) })
		b.elapsed = time.Since(start)
		s.busy.Add(-1)
		if err != nil {
			_ = b.maps.Wait() // what is stored is stored again
			s.giveBack(ctx, b, err)
			continue
		}
		computed <- b // the receiver always comes: it ends after this goroutine
	}
	return nil
}
