package dispatch

import (
	"context"
	"log/slog"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// Intervals of what is done again and again.
const (
	healEvery      = 2 * time.Second
	leadersEvery   = 5 * time.Second
	workersEvery   = 2 * time.Second
	reconcileEvery = 30 * time.Second
	// progressEvery is shorter than queue.LeaseTTL, after which progress is forgotten.
	progressEvery = time.Second
	progressOften = queue.LeaseRenew // if nothing has changed
	mergeRetry    = 10 * time.Second
)

// Config says how a dispatcher works.
type Config struct {
	Engine queue.Engine
	Store  store.Store
	// ID names the dispatcher in its lease.
	ID string
	// Alone leaves the lease out: no other process can use the queue.
	Alone bool
	// Batch is the number of items in a batch; 0: about four seconds of work.
	Batch int
	Log   *slog.Logger
	// Observer, if set, is called when something happens, for metrics.
	Observer Observer
}

// Observer counts what a dispatcher does.
type Observer interface {
	// Finished: a batch of a pool is done.
	Finished(pool string, f *schema.Finished)
	// Reconciled: batches were missing in the queue and are put in again.
	Reconciled(pool string)
	// Healed: something in the queue was mended.
	Healed(what string)
	// Ended: a job has ended.
	Ended(job *schema.Job)
}

// Dispatcher keeps the queue filled. Make it with New.
type Dispatcher struct {
	Config
	jobs    queue.Bucket
	leases  queue.Bucket
	tracked map[string]*tracked // by identifier
	// waiting are jobs that cannot be tracked yet, because the store does not answer.
	waiting map[string]*tracked
	over    map[string]bool // identifiers of jobs that have ended
	// leftover are jobs that are over and have events, with their tenants: the dispatcher before
	// died.
	leftover map[string]string
	merging  int               // jobs that are being merged
	speeds   map[string]*speed // of pools
	orders   map[lane]*order
	slots    map[string]int // of live workers, by pool
	workers  map[string]int // live ones, by pool
	opened   map[string]int // slots for which pools were opened

	events chan queue.Event
	// changes are those of jobs.
	changes chan queue.Change
	merged  chan merged
	// lastReconcile is when all jobs were compared with the queue.
	lastReconcile time.Time
	lastHeal      time.Time
	lastWorkers   time.Time
}

// merged is the end of a merge.
type merged struct {
	id       string
	revision uint64
	counts   schema.Counts
	err      error
}

// New makes a dispatcher.
func New(c Config) (*Dispatcher, error) {
	d := &Dispatcher{Config: c}
	var err error
	if d.jobs, err = c.Engine.Bucket(queue.BucketJobs); err != nil {
		return nil, err
	}
	if d.leases, err = c.Engine.Bucket(queue.BucketLeases); err != nil {
		return nil, err
	}
	return d, nil
}

// Run dispatches until ctx ends and returns its cause then. Before, it waits until no other
// dispatcher holds the lease.
func (d *Dispatcher) Run(ctx context.Context) error {
	group, inner := parallel.WithContext(ctx)
	if !d.Alone {
		group.Go(func() error { return d.watchLeaders(inner) })
	}
	group.Go(func() error { return d.terms(inner) })
	if err := group.Wait(); ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// terms dispatches, and waits for the lease again whenever it was lost.
func (d *Dispatcher) terms(ctx context.Context) error {
	for {
		err := d.term(ctx)
		if err != nil && d.Alone {
			d.empty(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// empty removes all batches from a queue that only this process uses. A queue that stops does not
// remember which of them were dropped: after the next start, they would wait for queue.AckWait.
func (d *Dispatcher) empty(ctx context.Context) {
	const most = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	if _, err := d.Engine.Purge(ctx, allWork); err != nil {
		d.Log.Warn("batches stay in the queue", "error", err)
	}
}

// term dispatches from the moment on at which it has the lease until it has lost it.
func (d *Dispatcher) term(ctx context.Context) error {
	lost, release, err := d.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	d.reset()
	group, inner := parallel.WithContext(lost)
	group.Go(func() error { return d.readEvents(inner) })
	group.Go(func() error { return d.watchJobs(inner) })
	group.Go(func() error { return d.loop(inner) })
	err = group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if lost.Err() != nil {
		d.Log.Warn("another dispatcher has taken over")
		return nil
	}
	return err
}

// reset forgets everything: it is read again.
func (d *Dispatcher) reset() {
	d.waiting, d.over, d.leftover, d.merging = map[string]*tracked{}, map[string]bool{}, map[string]string{}, 0
	d.tracked, d.speeds, d.orders = map[string]*tracked{}, map[string]*speed{}, map[lane]*order{}
	d.slots, d.workers, d.opened = map[string]int{}, map[string]int{}, map[string]int{}
	d.events, d.changes, d.merged = make(chan queue.Event, 256), make(chan queue.Change), make(chan merged, 1)
	d.lastReconcile, d.lastHeal, d.lastWorkers = time.Now(), time.Time{}, time.Time{}
}

// readEvents passes on the events of finished batches.
func (d *Dispatcher) readEvents(ctx context.Context) error {
	reader, err := d.Engine.Events(ctx, allDone, 0)
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		e, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case d.events <- e:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Filters of all batches, all finished batches, and all jobs.
const (
	allWork = "work.>"
	allDone = "done.>"
	allJobs = "*.*"
)

// watchJobs passes on the changes of jobs.
func (d *Dispatcher) watchJobs(ctx context.Context) error {
	watcher, err := d.jobs.Watch(ctx, allJobs)
	if err != nil {
		return err
	}
	defer watcher.Close()
	for {
		c, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case d.changes <- c:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// loop is the only goroutine that uses the fields of d.
func (d *Dispatcher) loop(ctx context.Context) error {
	const tick = 200 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case c := <-d.changes:
			err = d.change(ctx, c)
		case e := <-d.events:
			d.event(e)
			for drained := false; !drained; {
				select {
				case e := <-d.events:
					d.event(e)
				default:
					drained = true
				}
			}
		case m := <-d.merged:
			err = d.end(ctx, m)
		case now := <-ticker.C:
			err = d.tick(ctx, now)
		}
		if err == nil {
			err = d.fill(ctx)
		}
		if err == nil {
			d.startMerges(ctx)
		}
		if err != nil && !d.passing(ctx, err) {
			return err
		}
	}
}
