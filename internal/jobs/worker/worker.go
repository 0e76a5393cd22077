package worker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
)

// Worker takes batches and works on them. Make it with New.
type Worker struct {
	Config
	jobs     *jobs
	manifest *manifest.Reader
	tries    queue.Bucket
	leases   queue.Bucket
	busy     atomic.Int64 // slots with a batch
}

// New makes a worker.
func New(c Config) (*Worker, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	w := &Worker{Config: c, manifest: manifest.NewReader(c.Store)}
	bucket, err := c.Engine.Bucket(queue.BucketJobs)
	if err != nil {
		return nil, err
	}
	w.jobs = newJobs(bucket, c.Tenant)
	if w.tries, err = c.Engine.Bucket(queue.BucketTries); err != nil {
		return nil, err
	}
	w.leases, err = c.Engine.Bucket(queue.BucketLeases)
	return w, err
}

// Run works until ctx ends and returns its cause then. Batches that are not finished go back into
// the queue.
func (w *Worker) Run(ctx context.Context) error {
	taker, err := w.Engine.Take(ctx, queue.TakeOptions{Pools: w.pools()})
	if err != nil {
		return err
	}
	defer taker.Close()
	group, ctx := parallel.WithContext(ctx)
	group.Go(func() error { return w.jobs.follow(ctx) })
	group.Go(func() error { return w.beat(ctx) })
	for range w.Slots {
		s := &slot{Worker: w, taker: taker}
		group.Go(func() error { return s.run(ctx) })
	}
	return group.Wait()
}

// beat says in the queue that the worker lives, until ctx ends.
func (w *Worker) beat(ctx context.Context) error {
	key, err := queue.WorkerKey(w.ID)
	if err != nil {
		return err
	}
	for {
		value, err := schema.Encode(&schema.Worker{
			V: schema.Version, ID: w.ID, Pools: w.pools(), Slots: w.Slots, Busy: int(w.busy.Load()), Version: w.Version,
		})
		if err != nil {
			return err
		}
		if _, err := w.leases.Put(ctx, key, value); err != nil {
			return err
		}
		if err := parallel.Sleep(ctx, queue.LeaseRenew); err != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = w.leases.Delete(last, key, 0) // or it expires
			return err
		}
	}
}
