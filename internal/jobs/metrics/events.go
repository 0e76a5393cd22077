package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/worker"
)

// dispatcher counts what a dispatcher does, which is what all workers did.
type dispatcher struct {
	items      *prometheus.CounterVec
	flagged    *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	reconciled *prometheus.CounterVec
	healed     prometheus.Counter
	ended      *prometheus.CounterVec
}

// Dispatcher adds the metrics of a dispatcher. It may be called once.
func (m *Metrics) Dispatcher() dispatch.Observer {
	if m == nil {
		return nil
	}
	d := &dispatcher{
		items:   counters("declip_job_items_total", "Pictures of jobs that are done, of all workers, by status: ok, error or dead.", labelPool, labelStatus),
		flagged: counters("declip_job_flagged_total", "Pictures of jobs with more than 1 % of their pixels over the threshold.", labelPool),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_batch_seconds", Help: "Time that a worker computed on a batch; the count is that of finished batches of all workers.",
			Buckets: prometheus.ExponentialBuckets(0.0625, 2, 12),
		}, []string{labelPool}),
		reconciled: counters("declip_reconciled_total", "Times that batches of a job were missing in the queue and were put in again.", labelPool),
		healed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "declip_heal_total", Help: "Streams and consumers of the queue that were damaged and mended.",
		}),
		ended: counters("declip_jobs_ended_total", "Jobs that ended, by state: done or failed.", labelState),
	}
	for _, s := range []schema.State{schema.Done, schema.Failed} {
		d.ended.WithLabelValues(string(s))
	}
	m.MustRegister(d.items, d.flagged, d.seconds, d.reconciled, d.healed, d.ended)
	return d
}

// Finished implements dispatch.Observer.
func (d *dispatcher) Finished(pool string, f *schema.Finished) {
	count(d.items, f, pool)
	d.flagged.WithLabelValues(pool).Add(float64(f.Flagged))
	d.seconds.WithLabelValues(pool).Observe(f.MS / 1000)
}

// count adds the pictures of a batch by their status.
func count(items *prometheus.CounterVec, f *schema.Finished, pool string) {
	for status, n := range map[schema.Status]int{schema.StatusOK: f.OK, schema.StatusError: f.Failed - f.Dead, schema.StatusDead: f.Dead} {
		items.WithLabelValues(pool, string(status)).Add(float64(n))
	}
}

// Reconciled implements dispatch.Observer.
func (d *dispatcher) Reconciled(pool string) { d.reconciled.WithLabelValues(pool).Inc() }

// Healed implements dispatch.Observer.
func (d *dispatcher) Healed(string) { d.healed.Inc() }

// Ended implements dispatch.Observer.
func (d *dispatcher) Ended(job *schema.Job) { d.ended.WithLabelValues(string(job.State)).Inc() }

// working counts what the worker of this process does.
type working struct {
	batches     *prometheus.CounterVec
	items       *prometheus.CounterVec
	overhead    *prometheus.HistogramVec
	redelivered *prometheus.CounterVec
	split       *prometheus.CounterVec
	dead        *prometheus.CounterVec
}

// Results of a batch.
const (
	resultDone   = "done"
	resultFailed = "failed"
)

// Worker adds the metrics of a worker of the given pools. It may be called once.
func (m *Metrics) Worker(pools []string) worker.Observer {
	if m == nil {
		return nil
	}
	w := &working{
		batches: counters("declip_worker_batches_total", "Batches of this worker, by result: done, or failed and tried again.", labelPool, labelResult),
		items:   counters("declip_worker_items_total", "Pictures of jobs that this worker has done, by status: ok, error or dead.", labelPool, labelStatus),
		overhead: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_batch_overhead_seconds", Help: "Time of a step of the handling of a batch of this worker, besides its work.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}, []string{labelPool, labelStep}),
		redelivered: counters("declip_redelivered_total", "Batches that this worker took and that had been delivered before.", labelPool),
		split:       counters("declip_split_total", "Batches that this worker cut into single pictures because they had been delivered too often.", labelPool),
		dead:        counters("declip_dead_total", "Pictures that this worker gave up because workers died of them.", labelPool),
	}
	for _, pool := range pools { // alerts need the first 0
		w.batches.WithLabelValues(pool, resultDone)
		w.batches.WithLabelValues(pool, resultFailed)
		w.redelivered.WithLabelValues(pool)
		w.split.WithLabelValues(pool)
		w.dead.WithLabelValues(pool)
	}
	m.MustRegister(w.batches, w.items, w.overhead, w.redelivered, w.split, w.dead)
	return w
}

// Batch implements worker.Observer.
func (w *working) Batch(pool string, f *schema.Finished) {
	w.batches.WithLabelValues(pool, resultDone).Inc()
	count(w.items, f, pool)
}

// Failed implements worker.Observer.
func (w *working) Failed(pool string) { w.batches.WithLabelValues(pool, resultFailed).Inc() }

// Step implements worker.Observer.
func (w *working) Step(pool string, s worker.Step, took time.Duration) {
	w.overhead.WithLabelValues(pool, string(s)).Observe(took.Seconds())
}

// Redelivered implements worker.Observer.
func (w *working) Redelivered(pool string) { w.redelivered.WithLabelValues(pool).Inc() }

// Split implements worker.Observer.
func (w *working) Split(pool string) { w.split.WithLabelValues(pool).Inc() }

// Dead implements worker.Observer.
func (w *working) Dead(pool string) { w.dead.WithLabelValues(pool).Inc() }
