package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/results"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// mostMerges is how many jobs are merged at the same time; each takes some dozen megabytes.
const mostMerges = 2

// startMerges starts to merge the results of jobs that are complete.
func (d *Dispatcher) startMerges(ctx context.Context) {
	for id, t := range d.tracked {
		if t.merging || !t.job.State.Active() || !t.complete() || time.Now().Before(t.retry) || d.merging >= mostMerges {
			continue
		}
		t.merging = true
		d.merging++
		job, revision, to := t.job, t.revision, d.merged
		parallel.Go(func() error {
			m := merged{id: id, revision: revision}
			m.err = parallel.Catch(func() (err error) {
				m.counts, err = results.Merge(ctx, d.Store, &job)
				return err
			})
			select {
			case to <- m:
			case <-ctx.Done():
			}
			return nil
		})
	}
}

// end takes the end of a merge.
func (d *Dispatcher) end(ctx context.Context, m merged) error {
	d.merging--
	t := d.tracked[m.id]
	if t == nil || t.revision != m.revision {
		if t != nil {
			t.merging = false // it was paused and resumed, or the like
		}
		return nil
	}
	t.merging = false
	switch {
	case m.err == nil:
		return d.finishJob(ctx, t, schema.Done, &m.counts, "")
	case errors.Is(m.err, results.ErrIncomplete):
		// Parts have gone since they were listed: their items are done again.
		d.Log.Warn("results are missing", "job", m.id, "error", m.err)
		t.retry = time.Now().Add(mergeRetry)
		return d.track(ctx, t.job, t.revision)
	case errors.Is(m.err, store.ErrUnavailable), ctx.Err() != nil:
		d.Log.Warn("merging results failed and is tried again", "job", m.id, "error", m.err)
		t.retry = time.Now().Add(mergeRetry)
		return nil //nolint:nilerr // it is logged, and tried again
	}
	return d.finishJob(ctx, t, schema.Failed, nil, m.err.Error())
}

// finishJob ends a job. The message for its caller is put in first, so that none is lost if the
// dispatcher dies in between.
func (d *Dispatcher) finishJob(ctx context.Context, t *tracked, s schema.State, counts *schema.Counts, problem string) error {
	job, now := t.job, time.Now().UTC()
	job.State, job.Ended, job.Counts, job.Error = s, &now, counts, problem
	if err := PutHook(ctx, d.Engine, &job); err != nil {
		return err
	}
	if _, err := SaveJob(ctx, d.Engine, d.Store, &job, t.revision); err != nil {
		if errors.Is(err, queue.ErrConflict) || errors.Is(err, queue.ErrNotFound) {
			return nil // somebody has changed it: the watch tells how
		}
		return err
	}
	delete(d.tracked, job.ID)
	d.over[job.ID] = true
	d.Log.Info("a job has ended", "job", job.ID, "state", s, "items", job.Items)
	if d.Observer != nil {
		d.Observer.Ended(&job)
	}
	if err := d.leases.Delete(ctx, schema.ProgressKey(job.ID), 0); err != nil {
		return err
	}
	return d.purge(ctx, job.Tenant, job.ID)
}

// purge removes the events of a job that is over.
func (d *Dispatcher) purge(ctx context.Context, tenant, id string) error {
	filter, err := queue.DoneOfJob(tenant, id)
	if err != nil {
		return err
	}
	_, err = d.Engine.Purge(ctx, filter)
	return err
}

// PutHook puts in the message that a job has ended, for its caller, if the job has a webhook. The
// message may come before the job's state has changed, or without the change after all: who takes
// it looks at the job first.
func PutHook(ctx context.Context, e queue.Engine, job *schema.Job) error {
	if job.Webhook == "" {
		return nil
	}
	subject, err := queue.Hook{Tenant: job.Tenant, Job: job.ID}.Subject()
	if err != nil {
		return err
	}
	body, err := schema.Encode(job)
	if err != nil {
		return err
	}
	_, err = e.Put(ctx, subject, body)
	return err
}
