package serve

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/declip/declip/internal/parallel"
)

// Stages of the work on a picture, as labels of metrics and for parallel.Point.
const (
	stageDecode  = "decode"
	stageNetwork = "network"
	stageEncode  = "encode"
	stageFetch   = "fetch"
	stageWrite   = "write"
)

// stats holds the metrics.
type stats struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	active   prometheus.Gauge
	stages   *prometheus.HistogramVec
	pictures *prometheus.CounterVec
	batches  *prometheus.HistogramVec
	bytesIn  prometheus.Counter
	panics   prometheus.Counter

	unarchived prometheus.Counter
}

func newStats(version string) *stats {
	s := &stats{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "declip_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_request_seconds", Help: "Time from the headers of a request to the end of its response, by route.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 15),
		}, []string{"route"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "declip_requests_active", Help: "Requests in progress.",
		}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_stage_seconds", Help: "Time in a stage of the work, of a batch (decode, network) or of a picture (encode), by model.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"model", "stage"}),
		pictures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "declip_pictures_total", Help: "Pictures localized, by model.",
		}, []string{"model"}),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_batch_pictures", Help: "Pictures that ran through a model together.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256},
		}, []string{"model"}),
		bytesIn: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "declip_body_bytes_total", Help: "Bytes of request bodies that were read.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "declip_panics_total", Help: "Requests, and pictures of batches, that failed with a panic.",
		}),
		unarchived: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "declip_archive_failures_total", Help: "Results that could not be written to the archive.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "declip_build_info", Help: "1, with the version of the program as a label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	s.registry.MustRegister(s.requests, s.seconds, s.active, s.stages, s.pictures, s.batches, s.bytesIn, s.panics, s.unarchived, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// watch adds the metrics that are read when they are asked for.
func (s *stats) watch(models []*modelQueue, memory map[string]*budget) {
	for _, m := range models {
		label := prometheus.Labels{"model": m.Name}
		s.registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "declip_queue_pictures", Help: "Pictures that wait for a model.", ConstLabels: label},
				func() float64 { return float64(m.queue.length()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "declip_queue_limit", Help: "Pictures that may wait for a model.", ConstLabels: label},
				func() float64 { return float64(m.queue.limit) }))
	}
	for use, b := range memory {
		label := prometheus.Labels{"use": use}
		s.registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "declip_memory_bytes", Help: "Memory reserved for pictures, by use.", ConstLabels: label},
				func() float64 { return float64(b.used.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "declip_memory_limit_bytes", Help: "Largest amount of memory that may be reserved, by use.", ConstLabels: label},
				func() float64 { return float64(b.size) }))
	}
}

// watchLog adds the number of lines of the log that were lost.
func (s *stats) watchLog(dropped func() int64) {
	s.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "declip_log_dropped_total", Help: "Lines of the log that were lost because they could not be written.",
	}, func() float64 { return float64(dropped()) }))
}

// took counts the time that a stage took.
func (s *stats) took(model, stage string, d time.Duration) {
	s.stages.WithLabelValues(model, stage).Observe(d.Seconds())
}

// ran counts a run of the network.
func (s *stats) ran(model string, pictures int, d time.Duration) {
	s.took(model, stageNetwork, d)
	s.pictures.WithLabelValues(model).Add(float64(pictures))
	s.batches.WithLabelValues(model).Observe(float64(pictures))
}

// reportFailure logs an error that is the server's own, under the ID of the request if there is
// one. A panic is logged with its stack, and counted.
func (s *stats) reportFailure(log *slog.Logger, id string, err error) {
	attrs := []any{"error", err.Error()}
	if id != "" {
		attrs = append(attrs, "id", id)
	}
	if stack := parallel.Stack(err); stack != nil {
		s.panics.Inc()
		attrs = append(attrs, "stack", string(stack))
	}
	log.Error("failed", attrs...)
}

// answered counts a request.
func (s *stats) answered(route string, status int, d time.Duration) {
	s.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	s.seconds.WithLabelValues(route).Observe(d.Seconds())
}

func (s *stats) handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})
}
