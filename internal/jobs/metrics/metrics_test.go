package metrics_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/metrics"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/parallel"
)

const (
	digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	pool   = "0123456789ab_cpu"
)

// values asks for the metrics, by name and labels as they are printed.
func values(t *testing.T, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler("v1").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	got, described := map[string]float64{}, map[string]bool{}
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if words[0] == "#" {
			if len(words) < 4 {
				t.Errorf("no text in %q", lines.Text())
			}
			described[words[1]+" "+words[2]] = true
			continue
		}
		i := strings.LastIndex(lines.Text(), " ")
		v, err := strconv.ParseFloat(lines.Text()[i+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		got[lines.Text()[:i]] = v
		name, _, _ := strings.Cut(words[0], "{")
		for _, end := range []string{"_bucket", "_sum", "_count"} {
			if base, cut := strings.CutSuffix(name, end); cut && described["TYPE "+base] {
				name = base
			}
		}
		if !described["HELP "+name] || !described["TYPE "+name] {
			t.Errorf("%s has no HELP or no TYPE", name)
		}
	}
	return got
}

// await asks for the metrics until all in want have their values; a negative one is any but 0.
func await(t *testing.T, m *metrics.Metrics, want map[string]float64) {
	t.Helper()
	var wrong []string
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		got := values(t, m)
		wrong = nil
		for name, v := range want {
			if g, ok := got[name]; !ok || v >= 0 && g != v || v < 0 && g == 0 {
				wrong = append(wrong, fmt.Sprintf("%s is %v, expected %v", name, g, v))
			}
		}
		if wrong == nil {
			return
		}
	}
	t.Error(strings.Join(wrong, "\n"))
}

// place is a queue with a store, and what counts there.
type place struct {
	*jobs.Service
	t       *testing.T
	metrics *metrics.Metrics
}

func newPlace(t *testing.T, engine queue.Engine) *place {
	t.Helper()
	dir, err := store.OpenDir(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close(); engine.Close() })
	m := metrics.New()
	p := &place{&jobs.Service{
		Engine: engine, Store: m.Store(metrics.UseResults, dir), Sources: map[string]store.Store{"inbox": m.Store(metrics.UseSource, dir)},
		Log: slog.New(slog.DiscardHandler),
	}, t, m}
	p.start(m.Queue(engine, p.Log).Follow)
	return p
}

// start runs f until the test ends.
func (p *place) start(f func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := parallel.Go(func() error { return f(ctx) })
	p.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			p.t.Error(err)
		}
	})
}

func (p *place) dispatcher() {
	p.t.Helper()
	d, err := dispatch.New(dispatch.Config{
		Engine: p.Engine, Store: p.Store, ID: "d", Alone: true, Batch: 10, Log: p.Log, Observer: p.metrics.Dispatcher(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.start(d.Run)
}

func (p *place) worker(id string, o worker.Observer, w worker.Work) {
	p.t.Helper()
	made, err := worker.New(worker.Config{
		ID: id, Engine: p.Engine, Store: p.Store, Sources: p.Sources, Work: map[string]worker.Work{pool: w},
		Slots: 1, MaxBytes: 1 << 20, Version: "test", Log: p.Log, Observer: o,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.start(made.Run)
}

// submit submits a job of pictures, of which those whose names contain "missing" do not exist.
func (p *place) submit(names ...string) schema.Job {
	p.t.Helper()
	for _, name := range names {
		if strings.Contains(name, "missing") {
			continue
		}
		if err := p.Store.Put(p.t.Context(), name, strings.NewReader(name)); err != nil {
			p.t.Fatal(err)
		}
	}
	job, _, err := p.Submit(p.t.Context(), jobs.Request{
		Tenant: jobs.DefaultTenant, Source: "inbox", Model: "fake", Digest: digest, Class: queue.CPU, Priority: queue.Bulk,
		Options: schema.Options{Threshold: 0.5, Maps: schema.MapsNone, MaxPixels: 1e8}, Items: items(names),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return job
}

func items(names []string) iter.Seq2[manifest.Item, error] {
	return func(yield func(manifest.Item, error) bool) {
		for _, name := range names {
			if !yield(manifest.Item{Key: name}, nil) {
				return
			}
		}
	}
}

func named(n int, more ...string) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%03d.jpg", i))
	}
	return append(names, more...)
}

// lane is the name of the number of bulk batches in a state.
func lane(state string) string {
	return fmt.Sprintf(`declip_queue_batches{pool="%s",priority="bulk",state="%s"}`, pool, state)
}

// of is the name of a metric of the pool with one more label, which comes before or behind it.
func of(name string, label ...string) string {
	labels := append([]string{fmt.Sprintf("pool=%q", pool)}, label...)
	return name + "{" + strings.Join(labels, ",") + "}"
}

// The metrics tell of a job that waits, is worked on, and has ended.
func TestMetricsMove(t *testing.T) {
	t.Parallel() // it mostly waits
	p := newPlace(t, &queue.Memory{})
	p.dispatcher()
	job := p.submit(named(30, "missing.jpg", "bad.jpg", "flag.jpg")...)
	await(t, p.metrics, map[string]float64{
		"declip_queue_up": 1, `declip_jobs{state="running"}`: 1, `declip_jobs{state="done"}`: 0, lane("waiting"): 4, lane("working"): 0,
		of("declip_queue_oldest_seconds"): -1, of("declip_job_items_left"): 33, "declip_workers": 0, of("declip_worker_slots", `state="idle"`): 0,
		"declip_heal_total": 0, `declip_jobs_ended_total{state="done"}`: 0,
	})
	free := make(chan struct{})
	o := p.metrics.Worker([]string{pool})
	for i := range 4 {
		p.worker(fmt.Sprint("w", i), o, &jobstest.Work{Seen: func(*schema.Job, string) { <-free }})
	}
	await(t, p.metrics, map[string]float64{"declip_workers": 4, lane("waiting"): 0, lane("working"): 4})
	close(free)
	done := fmt.Sprintf(`declip_job_items_total{pool="%s",status="`, pool)
	await(t, p.metrics, map[string]float64{
		`declip_jobs{state="running"}`: 0, `declip_jobs{state="done"}`: 1, `declip_jobs_ended_total{state="done"}`: 1,
		done + `ok"}`: 31, done + `error"}`: 2, done + `dead"}`: 0, of("declip_job_flagged_total"): 1, of("declip_batch_seconds_count"): 4,
		of("declip_worker_items_total", `status="error"`): 2, of("declip_worker_batches_total", `result="done"`): 4,
		of("declip_queue_oldest_seconds"): 0, of("declip_job_items_left"): 0, lane("waiting"): 0, lane("working"): 0,
		of("declip_batch_overhead_seconds_count", `step="part"`): 4, of("declip_batch_overhead_seconds_count", `step="ack"`): 4,
		`declip_store_seconds_count{op="put",use="results"}`: -1, `declip_store_seconds_count{op="get",use="source"}`: -1,
		`declip_store_errors_total{kind="not_found",op="get",use="source"}`:    1,
		`declip_store_errors_total{kind="unavailable",op="put",use="results"}`: 0,
		`declip_build_info{version="v1"}`:                                      1,
	})
	if err := p.Remove(t.Context(), jobs.DefaultTenant, job.ID); err != nil {
		t.Fatal(err)
	}
	await(t, p.metrics, map[string]float64{`declip_jobs{state="done"}`: 0})
}

// A picture that kills its workers is counted, with the batches that it took along.
func TestPoisonIsCounted(t *testing.T) {
	t.Parallel() // it mostly waits
	// A busy machine must not let a worker look dead that is alive, or innocent pictures are given up.
	p := newPlace(t, &queue.Memory{AckWait: time.Second})
	p.dispatcher()
	end := make(chan struct{})
	o := p.metrics.Worker([]string{pool})
	await(t, p.metrics, map[string]float64{of("declip_redelivered_total"): 0, of("declip_dead_total"): 0, "declip_queue_dead_items": 0})
	for i := range 10 {
		p.worker(fmt.Sprint("w", i), o, &jobstest.Work{Kill: func() { <-end }})
	}
	t.Cleanup(func() { close(end) }) // before the workers are waited for
	p.submit(named(5, "poison.jpg")...)
	await(t, p.metrics, map[string]float64{
		of("declip_redelivered_total"): -1, of("declip_split_total"): -1, of("declip_dead_total"): 1, "declip_queue_dead_items": 1,
		of("declip_job_items_total", `status="dead"`): 1,
	})
}

// declip_queue_up says that a queue does not answer, and no gauge keeps an old value.
func TestQueueIsDown(t *testing.T) {
	t.Parallel() // it mostly waits
	engine := &queue.Memory{}
	p := newPlace(t, engine)
	await(t, p.metrics, map[string]float64{"declip_queue_up": 1, `declip_jobs{state="done"}`: 0})
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, p.metrics, map[string]float64{"declip_queue_up": 0})
	for name := range values(t, p.metrics) {
		if strings.HasPrefix(name, "declip_jobs{") || strings.HasPrefix(name, "declip_workers") {
			t.Errorf("%s is there without a queue", name)
		}
	}
}

// A connection that is lost and a request that is denied are counted.
func TestHooks(t *testing.T) {
	m := metrics.New()
	h := m.Hooks()
	await(t, m, map[string]float64{"declip_queue_connected": 1, "declip_queue_disconnects_total": 0, "declip_queue_denied_total": 0})
	h.Connected(io.ErrUnexpectedEOF)
	h.Denied("work.>")
	await(t, m, map[string]float64{"declip_queue_connected": 0, "declip_queue_disconnects_total": 1, "declip_queue_denied_total": 1})
	h.Connected(nil)
	await(t, m, map[string]float64{"declip_queue_connected": 1, "declip_queue_disconnects_total": 1})
}

// A batch that fails is counted, and one that was put in again.
func TestRareEvents(t *testing.T) {
	m := metrics.New()
	w, d := m.Worker([]string{pool}), m.Dispatcher()
	await(t, m, map[string]float64{of("declip_worker_batches_total", `result="failed"`): 0})
	w.Failed(pool)
	d.Reconciled(pool)
	d.Healed("WORK")
	await(t, m, map[string]float64{
		of("declip_worker_batches_total", `result="failed"`): 1, of("declip_reconciled_total"): 1, "declip_heal_total": 1,
	})
}

// Nothing is counted without metrics.
func TestNoMetrics(t *testing.T) {
	var m *metrics.Metrics
	if m.Dispatcher() != nil || m.Worker(nil) != nil || m.Hooks().Connected != nil || m.Store(metrics.UseSource, nil) != nil {
		t.Error("a nil one has observers")
	}
	if err := m.Queue(nil, nil).Follow(t.Context()); err != nil {
		t.Error(err)
	}
}
