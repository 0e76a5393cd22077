package metrics

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	service "github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
)

// gauge describes a gauge of the queue.
func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// The gauges of the queue.
var (
	up          = gauge("declip_queue_up", "1 if the queue answered when these metrics were asked for; if not, the other gauges of the queue are missing.")
	batches     = gauge("declip_queue_batches", "Batches in the queue, by state: waiting, or working (delivered and not finished).", labelPool, labelPriority, labelState)
	redelivered = gauge("declip_queue_redelivered_batches", "Batches that are being worked on and were delivered more than once.", labelPool)
	oldest      = gauge("declip_queue_oldest_seconds", "Age of the oldest batch in the queue; 0 if there is none.", labelPool)
	deadItems   = gauge("declip_queue_dead_items", "Pictures that were given up, of jobs that exist and of the last 90 days.")
	workers     = gauge("declip_workers", "Workers that are alive.")
	slots       = gauge("declip_worker_slots", "Batches that the live workers of a pool can work on at once, by state: idle or busy. A worker of several pools counts in each.",
		labelPool, labelState)
	jobs      = gauge("declip_jobs", "Jobs, by state.", labelState)
	itemsLeft = gauge("declip_job_items_left", "Pictures of jobs that are queued or running and not done.", labelPool)
	eta       = gauge("declip_eta_seconds", "Time until the last running job of a pool is done, where it is known.", labelPool)
)

var queueGauges = []*prometheus.Desc{up, batches, redelivered, oldest, deadItems, workers, slots, jobs, itemsLeft, eta}

// Times of a look at the queue.
const (
	lookTimeout = 3 * time.Second
	lookEvery   = time.Second // at most, however often the metrics are asked for
)

// Queue gives the gauges of a queue.
type Queue struct {
	engine queue.Engine
	log    *slog.Logger

	mu     sync.Mutex
	jobs   map[string]job // by key; nil before all are known
	looked time.Time
	last   []prometheus.Metric
}

// job is what the gauges need of a job.
type job struct {
	id, pool string
	state    schema.State
	items    int
}

// Queue adds the gauges of a queue, for a process that may read all of it. It may be called once.
// Jobs are counted while Follow runs.
func (m *Metrics) Queue(engine queue.Engine, log *slog.Logger) *Queue {
	if m == nil {
		return nil
	}
	q := &Queue{engine: engine, log: log}
	m.MustRegister(q)
	return q
}

// Follow keeps the states of all jobs until ctx ends. If they cannot be read, the gauges of jobs
// are missing.
func (q *Queue) Follow(ctx context.Context) error {
	if q == nil {
		return nil
	}
	err := q.follow(ctx)
	q.mu.Lock()
	q.jobs = nil
	q.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	q.log.Warn("jobs are missing in the metrics", "error", err)
	return nil
}

func (q *Queue) follow(ctx context.Context) error {
	bucket, err := q.engine.Bucket(queue.BucketJobs)
	if err != nil {
		return err
	}
	watcher, err := bucket.Watch(ctx, "*.*")
	if err != nil {
		return err
	}
	defer watcher.Close()
	known := map[string]job{}
	for {
		c, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		q.mu.Lock()
		switch c.Kind {
		case queue.Ready:
			q.jobs = known
		case queue.Deleted:
			delete(known, c.Key)
		case queue.Set:
			q.take(known, c)
		}
		q.mu.Unlock()
	}
}

// take takes a job's new entry.
func (q *Queue) take(known map[string]job, c queue.Change) {
	var j schema.Job
	err := schema.Decode(c.Value, &j)
	if err == nil {
		var pool string
		if pool, err = j.Pool(); err == nil {
			known[c.Key] = job{j.ID, pool, j.State, j.Items}
			return
		}
	}
	q.log.Warn("a job is missing in the metrics", "key", c.Key, "error", err)
	delete(known, c.Key)
}

// Describe implements prometheus.Collector.
func (q *Queue) Describe(to chan<- *prometheus.Desc) {
	for _, d := range queueGauges {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (q *Queue) Collect(to chan<- prometheus.Metric) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.looked) >= lookEvery {
		ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
		defer cancel()
		l := &look{ctx: ctx, queue: q}
		if err := l.all(); err != nil {
			q.log.Debug("the queue's metrics cannot be read", "error", err)
			l.list = nil
			l.add(up, 0)
		} else {
			l.add(up, 1)
		}
		q.last, q.looked = l.list, time.Now()
	}
	for _, m := range q.last {
		to <- m
	}
}

// look is one look at the queue.
type look struct {
	ctx   context.Context //nolint:containedctx // it lasts for one call of Collect
	queue *Queue
	list  []prometheus.Metric
}

func (l *look) add(d *prometheus.Desc, value float64, labels ...string) {
	l.list = append(l.list, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...))
}

// all reads everything.
func (l *look) all() error {
	pools, err := l.lanes()
	if err != nil {
		return err
	}
	if err := l.workers(pools); err != nil {
		return err
	}
	dead, err := l.queue.engine.Depth(l.ctx, "dead.>")
	if err != nil {
		return err
	}
	l.add(deadItems, float64(dead))
	return l.jobs(pools)
}

// lanes reads the batches in the queue, and gives the pools.
func (l *look) lanes() (pools map[string]bool, err error) {
	lanes, err := l.queue.engine.Lanes(l.ctx)
	if err != nil {
		return nil, err
	}
	again := map[string]int{}
	filled := map[string]bool{}
	pools = map[string]bool{}
	for _, lane := range lanes {
		pools[lane.Pool] = true
		again[lane.Pool] += lane.Redelivered
		if lane.Waiting+lane.Working > 0 {
			filled[lane.Pool] = true
		}
		l.add(batches, float64(lane.Waiting), lane.Pool, string(lane.Priority), "waiting")
		l.add(batches, float64(lane.Working), lane.Pool, string(lane.Priority), "working")
	}
	for pool := range pools {
		l.add(redelivered, float64(again[pool]), pool)
		age := 0.0
		if filled[pool] {
			if age, err = l.age(pool); err != nil {
				return nil, err
			}
		}
		l.add(oldest, age, pool)
	}
	return pools, nil
}

// age is that of the oldest batch of a pool, in seconds.
func (l *look) age(pool string) (float64, error) {
	filter, err := queue.WorkOfPool(pool, "")
	if err != nil {
		return 0, err
	}
	at, ok, err := l.queue.engine.Oldest(l.ctx, filter)
	if err != nil || !ok {
		return 0, err
	}
	return max(0, time.Since(at).Seconds()), nil
}

// workers reads the heartbeats.
func (l *look) workers(pools map[string]bool) error {
	leases, err := l.queue.engine.Bucket(queue.BucketLeases)
	if err != nil {
		return err
	}
	entries, err := leases.List(l.ctx, queue.AllWorkers)
	if err != nil {
		return err
	}
	alive, idle, busy := 0, map[string]int{}, map[string]int{}
	for _, e := range entries {
		var w schema.Worker
		if err := schema.Decode(e.Value, &w); err != nil {
			l.queue.log.Warn("a worker is missing in the metrics", "key", e.Key, "error", err)
			continue
		}
		alive++
		for _, pool := range w.Pools {
			pools[pool] = true
			idle[pool] += max(0, w.Slots-w.Busy)
			busy[pool] += w.Busy
		}
	}
	l.add(workers, float64(alive))
	for pool := range pools {
		l.add(slots, float64(idle[pool]), pool, "idle")
		l.add(slots, float64(busy[pool]), pool, "busy")
	}
	return nil
}

// jobs reads the progress of jobs. Their states are known.
func (l *look) jobs(pools map[string]bool) error {
	if l.queue.jobs == nil {
		return nil
	}
	progress, err := service.AllProgress(l.ctx, l.queue.engine, func(key string, err error) {
		l.queue.log.Warn("the progress of a job is missing in the metrics", "key", key, "error", err)
	})
	if err != nil {
		return err
	}
	states, left, last := map[schema.State]int{}, map[string]int{}, map[string]float64{}
	for pool := range pools {
		left[pool] = 0
	}
	for _, j := range l.queue.jobs {
		states[j.state]++
		if !j.state.Active() {
			continue
		}
		done := 0
		if p := progress[j.id]; p != nil {
			done = p.Counts.Done
			if p.ETA != nil {
				last[j.pool] = max(last[j.pool], *p.ETA)
			}
		}
		left[j.pool] += max(0, j.items-done)
	}
	for _, s := range schema.States {
		l.add(jobs, float64(states[s]), string(s))
	}
	for pool, n := range left {
		l.add(itemsLeft, float64(n), pool)
	}
	for pool, seconds := range last {
		l.add(eta, seconds, pool)
	}
	return nil
}
