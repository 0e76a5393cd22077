package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/results"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// change takes a change of a job's entry.
func (d *Dispatcher) change(ctx context.Context, c queue.Change) error {
	if c.Kind == queue.Ready {
		return nil
	}
	_, id, err := queue.ParseJobKey(c.Key)
	if err != nil {
		d.Log.Error("the queue holds a job under a wrong key", "error", err)
		return nil
	}
	if c.Kind == queue.Deleted {
		d.forget(id)
		return nil
	}
	var job schema.Job
	if err := schema.Decode(c.Value, &job); err != nil {
		d.Log.Error("the queue holds a job that cannot be read", "job", id, "error", err)
		return nil
	}
	t := d.tracked[id]
	switch {
	case job.State.Over():
		d.forget(id)
		d.over[id] = true
		return nil
	case t != nil && (t.job.State.Active() || !job.State.Active()):
		t.job, t.revision = job, c.Revision
		return nil
	}
	// New, or paused until now: its parts may have changed meanwhile.
	delete(d.over, id)
	return d.track(ctx, job, c.Revision)
}

// forget ends the work on a job.
func (d *Dispatcher) forget(id string) {
	delete(d.tracked, id)
	delete(d.waiting, id)
}

// track begins to work on a job: it learns what is in the queue and what is done.
func (d *Dispatcher) track(ctx context.Context, job schema.Job, revision uint64) error {
	pool, err := job.Pool()
	if err != nil {
		d.Log.Error("a job cannot be dispatched", "job", job.ID, "error", err)
		return nil
	}
	t := newTracked(job, revision, pool)
	// What leaves the queue was done before: it is listed first.
	work, err := d.inQueue(ctx, &job)
	if err != nil {
		return err
	}
	parts, err := results.Ranges(ctx, d.Store, &job)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		d.waiting[job.ID] = t // tick tries again
		return err
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil: // one broken job does not stop the others
		return d.finishJob(ctx, t, schema.Failed, nil, err.Error())
	}
	delete(d.waiting, job.ID)
	for _, r := range parts {
		t.done.add(r)
	}
	t.reconcile(work)
	if err := d.recount(ctx, t); err != nil {
		return err
	}
	// A paused job is tracked for its progress only.
	if d.tracked[job.ID] = t; job.State == schema.Queued {
		return d.setState(ctx, t, schema.Running)
	}
	return nil
}

// setState changes the state of a job that is tracked. A change by another process takes
// precedence: the watch reports it.
func (d *Dispatcher) setState(ctx context.Context, t *tracked, s schema.State) error {
	t.job.State = s
	revision, err := SaveJob(ctx, d.Engine, d.Store, &t.job, t.revision)
	if errors.Is(err, queue.ErrConflict) || errors.Is(err, queue.ErrNotFound) {
		return nil
	}
	if revision != 0 {
		t.revision = revision
	}
	return err
}

// inQueue lists the batches of a job that are in the queue.
func (d *Dispatcher) inQueue(ctx context.Context, job *schema.Job) ([]schema.Range, error) {
	filter, err := queue.WorkOfJob(job.Tenant, job.ID)
	if err != nil {
		return nil, err
	}
	return d.batches(ctx, filter, func(subject string) (string, error) {
		name, err := queue.ParseWork(subject)
		return name.Batch, err
	})
}

// recountTimeout bounds the time for the events of a job.
const recountTimeout = 10 * time.Second

// recount counts the finished batches of a job by their events. Those of which no event is left
// count when the results are merged.
func (d *Dispatcher) recount(ctx context.Context, t *tracked) error {
	filter, err := queue.DoneOfJob(t.job.Tenant, t.job.ID)
	if err != nil {
		return err
	}
	n, err := d.Engine.Depth(ctx, filter)
	if err != nil || n == 0 {
		return err
	}
	reader, err := d.Engine.Events(ctx, filter, 0)
	if err != nil {
		return err
	}
	defer reader.Close()
	// The events may be purged meanwhile; then the last one does not come.
	limited, cancel := context.WithTimeout(ctx, recountTimeout)
	defer cancel()
	for {
		e, err := reader.Next(limited)
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var f schema.Finished
		if err := schema.Decode(e.Body, &f); err != nil {
			d.Log.Error("an event cannot be read", "subject", e.Subject, "error", err)
		} else {
			t.finish(&f, time.Time{})
		}
		if e.Left == 0 {
			t.rate = rate{} // these events are of another time
			return nil
		}
	}
}

// event takes the event that a batch is finished.
func (d *Dispatcher) event(e queue.Event) {
	name, err := queue.ParseDone(e.Subject)
	if err != nil {
		d.Log.Error("an event has a wrong subject", "error", err)
		return
	}
	if d.over[name.Job] {
		d.leftover[name.Job] = name.Tenant
	}
	t := d.tracked[name.Job]
	if t == nil || t.job.Tenant != name.Tenant {
		return // of a job that has ended, or is not known yet: then its parts are listed
	}
	var f schema.Finished
	if err := schema.Decode(e.Body, &f); err != nil {
		d.Log.Error("an event cannot be read", "subject", e.Subject, "error", err)
		return
	}
	if !t.counted.has(f.Range()) {
		d.speed(t.lane.pool).add(f.N, f.MS)
		if d.Observer != nil {
			d.Observer.Finished(t.lane.pool, &f)
		}
	}
	t.finish(&f, time.Now())
}

func (d *Dispatcher) speed(pool string) *speed {
	if d.speeds[pool] == nil {
		d.speeds[pool] = &speed{}
	}
	return d.speeds[pool]
}
