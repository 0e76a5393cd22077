package metrics

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
)

// Labels.
const (
	labelPool     = "pool"
	labelPriority = "priority"
	labelState    = "state"
	labelStatus   = "status"
	labelResult   = "result"
	labelStep     = "step"
	labelUse      = "use"
	labelOp       = "op"
	labelKind     = "kind"
)

// Metrics are those of a process. A nil one counts nothing. Its methods may be called by several
// goroutines.
type Metrics struct {
	*prometheus.Registry
	connection
	storeSeconds *prometheus.HistogramVec
	storeErrors  *prometheus.CounterVec
}

// New makes metrics. They are those of the stores and of the connection to the queue, until
// Dispatcher, Worker and Queue add theirs.
func New() *Metrics {
	m := &Metrics{
		Registry:   prometheus.NewRegistry(),
		connection: newConnection(),
		storeSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_store_seconds", Help: "Time of an operation of the store of results, or of a source of pictures.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}, []string{labelUse, labelOp}),
		storeErrors: counters("declip_store_errors_total", "Operations of the store or of a source that failed, by kind of error.",
			labelUse, labelOp, labelKind),
	}
	m.MustRegister(m.connected, m.disconnects, m.denied, m.storeSeconds, m.storeErrors)
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// Handler answers requests for the metrics, together with those of Go, of the process, and of the
// program's version.
func (m *Metrics) Handler(version string) http.Handler {
	all := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "declip_build_info", Help: "1, with the version of the program as a label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	all.MustRegister(m, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{})
}

// connection has the metrics of the connection to the queue.
type connection struct {
	connected   prometheus.Gauge
	disconnects prometheus.Counter
	denied      prometheus.Counter
}

func newConnection() connection {
	return connection{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "declip_queue_connected", Help: "1 while this process is connected to the queue.",
		}),
		disconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "declip_queue_disconnects_total", Help: "Times that the connection to the queue was lost.",
		}),
		denied: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "declip_queue_denied_total", Help: "Requests that the queue's servers denied to these credentials.",
		}),
	}
}

// Hooks are those that a connection to the queue is to have.
func (m *Metrics) Hooks() queue.Hooks {
	if m == nil {
		return queue.Hooks{}
	}
	m.connected.Set(1) // hooks tell of later changes only
	return queue.Hooks{
		Denied: func(string) { m.denied.Inc() },
		Connected: func(err error) {
			if err == nil {
				m.connected.Set(1)
				return
			}
			m.connected.Set(0)
			m.disconnects.Inc()
		},
	}
}

// What stores are used for.
const (
	UseResults = "results" // manifests, parts, maps and results
	UseSource  = "source"  // pictures
)

// Store is s with metrics. use is UseResults or UseSource.
func (m *Metrics) Store(use string, s store.Store) store.Store {
	if m == nil {
		return s
	}
	for _, op := range store.Operations {
		m.storeErrors.WithLabelValues(use, string(op), kindUnavailable) // alerts need the first 0
	}
	return store.Observed(s, func(op store.Operation, took time.Duration, err error) {
		m.storeSeconds.WithLabelValues(use, string(op)).Observe(took.Seconds())
		if kind := errorKind(err); kind != "" {
			m.storeErrors.WithLabelValues(use, string(op), kind).Inc()
		}
	})
}

// kindUnavailable is the kind of errors that go away by themselves.
const kindUnavailable = "unavailable"

// errorKind is the kind of a store's error, "" for none, and for what is not the store's fault.
func errorKind(err error) string {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, store.ErrExists):
		return ""
	case errors.Is(err, store.ErrUnavailable):
		return kindUnavailable
	case errors.Is(err, store.ErrNotFound):
		return "not_found"
	case errors.Is(err, store.ErrDenied):
		return "denied"
	case errors.Is(err, store.ErrInvalid):
		return "invalid"
	}
	return "other"
}
