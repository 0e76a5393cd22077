package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
)

// fill puts batches in, until each lane has as many as its window or no item is left.
func (d *Dispatcher) fill(ctx context.Context) error {
	for _, l := range lanes(d.tracked) {
		if err := d.open(ctx, l.pool); err != nil {
			return err
		}
		slots := d.slots[l.pool]
		room := window(slots)
		for _, t := range d.tracked {
			if t.lane == l {
				room -= len(t.queued)
			}
		}
		if d.orders[l] == nil {
			d.orders[l] = &order{}
		}
		for ; room > 0; room-- {
			t := d.orders[l].turn(grouped(d.tracked, l))
			if t == nil {
				break
			}
			if err := d.put(ctx, t, slots); err != nil {
				return err
			}
		}
	}
	return nil
}

// open lets the messages of a pool be taken by as many slots as it has.
func (d *Dispatcher) open(ctx context.Context, pool string) error {
	slots := max(d.slots[pool], minWindow)
	if slots <= d.opened[pool] {
		return nil
	}
	if err := d.Engine.Pool(ctx, pool, slots); err != nil {
		return err
	}
	d.opened[pool] = slots
	return nil
}

// put puts in the next batch of a job.
func (d *Dispatcher) put(ctx context.Context, t *tracked, slots int) error {
	usual := d.Batch
	if usual < 1 {
		usual = size(d.speed(t.lane.pool).batch(), t.left(), max(slots, 1))
	}
	r, ok := t.next(usual)
	if !ok {
		return nil
	}
	return PutBatch(ctx, d.Engine, &t.job, r, func() { t.put(r) })
}

// PutBatch puts a batch of a job into the queue, unless it is in it already, and then calls done.
func PutBatch(ctx context.Context, e queue.Engine, job *schema.Job, r schema.Range, done func()) error {
	pool, err := job.Pool()
	if err != nil {
		return err
	}
	subject, err := queue.Work{Pool: pool, Priority: job.Priority, Tenant: job.Tenant, Job: job.ID, Batch: r.String()}.Subject()
	if err != nil {
		return err
	}
	body, err := schema.Encode(&schema.Batch{
		V: schema.Version, Job: job.ID, Tenant: job.Tenant, Digest: job.Digest, Part: r.From / schema.PartItems,
		From: r.From, N: r.N, Priority: job.Priority, Created: time.Now().UTC(),
	})
	if err != nil {
		return err
	}
	if _, err := e.Put(ctx, subject, body); err != nil {
		return err
	}
	done()
	return nil
}

// tick does what is due.
func (d *Dispatcher) tick(ctx context.Context, now time.Time) error {
	var errs []error
	if now.Sub(d.lastHeal) >= healEvery {
		d.lastHeal = now
		errs = append(errs, d.heal(ctx))
	}
	if now.Sub(d.lastWorkers) >= workersEvery {
		d.lastWorkers = now
		errs = append(errs, d.countWorkers(ctx))
	}
	if now.Sub(d.lastReconcile) >= reconcileEvery {
		d.lastReconcile = now
		errs = append(errs, d.reconcile(ctx))
	}
	for _, t := range d.waiting {
		errs = append(errs, d.track(ctx, t.job, t.revision))
	}
	for id, tenant := range d.leftover {
		errs = append(errs, d.purge(ctx, tenant, id))
		delete(d.leftover, id)
	}
	errs = append(errs, d.publish(ctx, now))
	return errors.Join(errs...)
}

// heal mends what a power failure has left of the queue.
func (d *Dispatcher) heal(ctx context.Context) error {
	mended, err := d.Engine.Heal(ctx)
	d.mended(mended)
	return err
}

// mended reports what was mended.
func (d *Dispatcher) mended(names []string) {
	for _, what := range names {
		d.Log.Warn("the queue was damaged and is mended", "what", what)
		if d.Observer != nil {
			d.Observer.Healed(what)
		}
	}
}

// watchLeaders looks for streams without a leader until ctx ends. All requests to such a stream
// wait, also those for the lease, so this needs no lease and no other request.
func (d *Dispatcher) watchLeaders(ctx context.Context) error {
	for {
		if err := parallel.Sleep(ctx, leadersEvery); err != nil {
			return err
		}
		replaced, err := d.Engine.ReplaceLeaderless(ctx)
		d.mended(replaced)
		if err != nil && ctx.Err() == nil {
			d.Log.Warn("leaders of the queue's streams are not known", "error", err)
		}
	}
}

// countWorkers reads the workers' heartbeats.
func (d *Dispatcher) countWorkers(ctx context.Context) error {
	entries, err := d.leases.List(ctx, queue.AllWorkers)
	if err != nil {
		return err
	}
	d.slots, d.workers = map[string]int{}, map[string]int{}
	for _, e := range entries {
		var w schema.Worker
		if err := schema.Decode(e.Value, &w); err != nil {
			d.Log.Error("a worker's heartbeat cannot be read", "key", e.Key, "error", err)
			continue
		}
		for _, p := range w.Pools {
			d.slots[p] += w.Slots
			d.workers[p]++
		}
	}
	// Workers wait for a pool that is open: the first job of a model begins at once then.
	for pool := range d.slots {
		if err := d.open(ctx, pool); err != nil {
			return err
		}
	}
	return nil
}

// reconcile compares all jobs with the queue and forgets batches that it has lost, so that they are
// put in again.
func (d *Dispatcher) reconcile(ctx context.Context) error {
	for _, t := range d.tracked {
		if t.merging || !t.job.State.Active() {
			continue
		}
		work, err := d.inQueue(ctx, &t.job)
		if err != nil {
			return err
		}
		if !t.reconcile(work) {
			continue
		}
		// What left the queue may be done, with its event still on the way.
		done, err := d.finished(ctx, &t.job)
		if err != nil {
			return err
		}
		for _, r := range done {
			t.done.add(r)
			t.taken.add(r)
		}
		if t.left() > 0 {
			d.Log.Info("compared a job with the queue", "job", t.job.ID, "items to put in", t.left())
			if d.Observer != nil {
				d.Observer.Reconciled(t.lane.pool)
			}
		}
	}
	return nil
}

// finished lists the batches of a job with an event that they are finished.
func (d *Dispatcher) finished(ctx context.Context, job *schema.Job) ([]schema.Range, error) {
	filter, err := queue.DoneOfJob(job.Tenant, job.ID)
	if err != nil {
		return nil, err
	}
	return d.batches(ctx, filter, func(subject string) (string, error) {
		name, err := queue.ParseDone(subject)
		return name.Batch, err
	})
}

// batches lists the batches of the messages whose subjects match filter. batch takes the name of a
// batch from a subject.
func (d *Dispatcher) batches(ctx context.Context, filter string, batch func(subject string) (string, error)) ([]schema.Range, error) {
	subjects, err := d.Engine.Subjects(ctx, filter)
	if err != nil {
		return nil, err
	}
	var list []schema.Range
	for _, s := range subjects {
		name, err := batch(s)
		if err != nil {
			return nil, err
		}
		r, err := schema.ParseRange(name)
		if err != nil {
			return nil, fmt.Errorf("message %s: %w", s, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// publish stores the progress of jobs where others can read it.
func (d *Dispatcher) publish(ctx context.Context, now time.Time) error {
	const most = 50 // jobs in one call
	published := 0
	for _, t := range d.tracked {
		age := now.Sub(t.shown)
		if age < progressEvery || !t.changed && age < progressOften || published >= most {
			continue
		}
		p := t.progress(now)
		p.Workers, p.Slots = d.workers[t.lane.pool], d.slots[t.lane.pool]
		value, err := schema.Encode(&p)
		if err != nil {
			return err
		}
		if _, err := d.leases.Put(ctx, schema.ProgressKey(t.job.ID), value); err != nil {
			return err
		}
		t.changed, t.shown = false, now
		published++
	}
	return nil
}
