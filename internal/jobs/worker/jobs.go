package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
)

// errEnded ends the work on a job that was cancelled or removed.
var errEnded = errors.New("the job was cancelled")

// jobs knows the jobs that a worker works on, and stops the work on those that were cancelled.
type jobs struct {
	bucket queue.Bucket
	filter string // of the jobs that are watched

	mu sync.Mutex
	// inUse are the jobs with a batch in this worker, by their keys.
	inUse map[string]*inUse
}

// inUse is a job with batches in the worker.
type inUse struct {
	ctx    context.Context //nolint:containedctx // it ends with the job, not with a call
	cancel context.CancelCauseFunc
	users  int
}

func newJobs(bucket queue.Bucket, tenant string) *jobs {
	if tenant == "" {
		tenant = "*"
	}
	return &jobs{bucket: bucket, filter: tenant + ".*", inUse: map[string]*inUse{}}
}

// follow watches for jobs that are cancelled or removed.
func (j *jobs) follow(ctx context.Context) error {
	watcher, err := j.bucket.Watch(ctx, j.filter)
	if err != nil {
		return err
	}
	defer watcher.Close()
	for {
		c, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		j.mu.Lock()
		w := j.inUse[c.Key]
		j.mu.Unlock()
		if w == nil {
			continue
		}
		var job schema.Job
		if c.Kind == queue.Deleted || schema.Decode(c.Value, &job) == nil && job.State == schema.Cancelled {
			w.cancel(errEnded)
		}
	}
}

// use returns the job of a batch, with a context that ends with ctx and when the job is cancelled.
// The job counts as in use until release is called. The error is errEnded for a job that is not to
// be worked on.
func (j *jobs) use(ctx context.Context, tenant, id string) (job *schema.Job, inner context.Context, release func(), err error) {
	key, err := queue.JobKey(tenant, id)
	if err != nil {
		return nil, nil, nil, err
	}
	j.mu.Lock()
	w := j.inUse[key]
	if w == nil || w.ctx.Err() != nil {
		w = &inUse{}
		w.ctx, w.cancel = context.WithCancelCause(ctx)
		j.inUse[key] = w
	}
	w.users++
	j.mu.Unlock()
	release = func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if w.users--; w.users > 0 {
			return
		}
		w.cancel(nil)
		if j.inUse[key] == w {
			delete(j.inUse, key)
		}
	}
	// The entry is read after the job counts as in use, so that no change is missed.
	if job, err = j.read(ctx, key); err != nil {
		release()
		return nil, nil, nil, err
	}
	return job, w.ctx, release, nil
}

// read reads a job's entry. It is read for each batch: what a watch has told may be old.
func (j *jobs) read(ctx context.Context, key string) (*schema.Job, error) {
	entry, err := j.bucket.Get(ctx, key)
	if errors.Is(err, queue.ErrNotFound) {
		return nil, errEnded
	}
	if err != nil {
		return nil, err
	}
	var job schema.Job
	if err := schema.Decode(entry.Value, &job); err != nil {
		return nil, fmt.Errorf("job %s: %w", key, err)
	}
	if !job.State.Active() {
		return nil, errEnded
	}
	return &job, nil
}
