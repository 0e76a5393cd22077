package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
)

// batch is a batch on its way through a slot.
type batch struct {
	lease   queue.Lease
	message schema.Batch
	pool    string
	job     *schema.Job
	// ctx ends with the worker and when the job is cancelled.
	ctx     context.Context //nolint:containedctx // it ends with the batch, not with a call
	release func()          // of the job
	rest    func()          // ends the beats
	items   []manifest.Item
	fetched *fetched
	records []schema.Record
	maps    parallel.Group // that are being stored
	elapsed time.Duration
}

// prepare reads what a batch needs and begins to fetch its pictures. The error is errEnded if the
// batch is not to be worked on, and errSplit if it was cut into single pictures.
func (s *slot) prepare(ctx context.Context, lease queue.Lease) (*batch, error) {
	b := &batch{lease: lease, rest: s.beats(ctx, lease), release: func() {}}
	if err := s.timed(b, StepPrepare, func() error { return s.prepareIn(ctx, b) }); err != nil {
		return b, fmt.Errorf("batch %s: %w", lease.Subject(), err)
	}
	return b, nil
}

func (s *slot) prepareIn(ctx context.Context, b *batch) error {
	if err := schema.Decode(b.lease.Body(), &b.message); err != nil {
		return err
	}
	name, err := queue.ParseWork(b.lease.Subject())
	if err != nil {
		return err
	}
	b.pool = name.Pool
	m := &b.message
	job, inner, release, err := s.jobs.use(ctx, m.Tenant, m.Job)
	if err != nil {
		return err
	}
	b.job = job
	var stop context.CancelFunc
	b.ctx, stop = context.WithCancel(inner)
	b.release = func() {
		stop() // ends what is being fetched
		release()
	}
	if pool, err := job.Pool(); err != nil || pool != name.Pool || job.Digest != m.Digest || m.From+m.N > job.Items {
		return fmt.Errorf("%w: it does not fit job %s, which has %d items and model %s", schema.ErrInvalid, job.ID, job.Items, job.Digest)
	}
	if n := b.lease.Deliveries(); n > 1 {
		s.Log.Info("a batch was delivered before", "batch", b.lease.Subject(), "deliveries", n)
		s.observe(func(o Observer) { o.Redelivered(b.pool) })
		if n > mostDeliveries && m.N > 1 {
			return s.split(ctx, b)
		}
	}
	source := s.Sources[job.Source]
	if source == nil {
		return fmt.Errorf("source %q is not known to this worker", job.Source)
	}
	if b.items, err = s.manifest.Read(b.ctx, job, m.Range()); err != nil {
		return err
	}
	b.fetched = s.fetch(b.ctx, source, b.items)
	return nil
}

func (s *slot) observe(tell func(Observer)) {
	if s.Observer != nil {
		tell(s.Observer)
	}
}

// timed does a step of the handling of a batch. A step that fails is not counted.
func (s *slot) timed(b *batch, step Step, do func() error) error {
	start := time.Now()
	err := do()
	if err == nil {
		s.observe(func(o Observer) { o.Step(b.pool, step, time.Since(start)) })
	}
	return err
}

// beats says that a batch is worked on, until the returned function is called.
func (s *slot) beats(ctx context.Context, lease queue.Lease) (rest func()) {
	// A batch that is being finished outlives the worker's context for a moment.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	parallel.Go(func() error {
		queue.KeepBeating(ctx, lease, func(err error) {
			s.Log.Warn("a batch may be given to another worker", "batch", lease.Subject(), "error", err)
		})
		return nil
	})
	return cancel
}

// Times for giving batches back.
const (
	giveBackTimeout = 5 * time.Second
	firstDelay      = 5 * time.Second
	lastDelay       = 5 * time.Minute
)

// giveBack ends a batch that was not finished because of err.
func (s *slot) giveBack(ctx context.Context, b *batch, err error) {
	defer b.release()
	defer b.rest()
	stopped := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTimeout)
	defer cancel()
	// A cancelled job shows as an error of what was interrupted.
	ended := errors.Is(err, errEnded) || b.ctx != nil && errors.Is(context.Cause(b.ctx), errEnded)
	var failed error
	switch {
	case errors.Is(err, errSplit):
		failed = b.lease.Done(ctx)
	case ended:
		failed = b.lease.Term(ctx)
	case stopped:
		failed = b.lease.Drop(ctx, 0)
	default:
		delay := min(firstDelay<<min(b.lease.Deliveries()-1, 10), lastDelay)
		s.Log.Error("a batch failed and is tried again", "delay", delay, "error", err)
		s.observe(func(o Observer) { o.Failed(b.pool) })
		failed = b.lease.Drop(ctx, delay)
	}
	if failed != nil {
		s.Log.Warn("a batch could not be returned to the queue: it is delivered again later", "batch", b.lease.Subject(), "error", failed)
	}
}
