package serve

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Stages of the work on a picture.
const (
	stageDecode  = "decode"
	stageNetwork = "network"
	stageEncode  = "encode"
)

// stats are the figures behind /metrics.
type stats struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	active   prometheus.Gauge
	stages   *prometheus.HistogramVec
	pictures *prometheus.CounterVec
	batches  *prometheus.HistogramVec
	bytesIn  prometheus.Counter
}

func newStats(version string) *stats {
	s := &stats{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "declip_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_request_seconds", Help: "Time from a request's headers to the end of its answer, by route.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 15),
		}, []string{"route"}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "declip_requests_active", Help: "Requests under way.",
		}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_stage_seconds", Help: "Time of a batch in a stage of the work (decode, network) or of a picture (encode), by model.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"model", "stage"}),
		pictures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "declip_pictures_total", Help: "Pictures localized, by model.",
		}, []string{"model"}),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "declip_batch_pictures", Help: "Pictures that went to a model together.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256},
		}, []string{"model"}),
		bytesIn: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "declip_body_bytes_total", Help: "Bytes of bodies read.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "declip_build_info", Help: "1, with the program's version as label.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	s.registry.MustRegister(s.requests, s.seconds, s.active, s.stages, s.pictures, s.batches, s.bytesIn, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// watch adds the figures that are asked for when they are wanted.
func (s *stats) watch(lanes []*lane, memory map[string]*budget) {
	for _, l := range lanes {
		label := prometheus.Labels{"model": l.Name}
		s.registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "declip_queue_pictures", Help: "Pictures that wait for a model.", ConstLabels: label},
				func() float64 { return float64(l.queue.length()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "declip_queue_limit", Help: "Pictures that may wait for a model.", ConstLabels: label},
				func() float64 { return float64(l.queue.limit) }))
	}
	for use, b := range memory {
		label := prometheus.Labels{"use": use}
		s.registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "declip_memory_bytes", Help: "Memory set aside for pictures, by use.", ConstLabels: label},
				func() float64 { return float64(b.used.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "declip_memory_limit_bytes", Help: "The most that may be set aside.", ConstLabels: label},
				func() float64 { return float64(b.size) }))
	}
}

func (s *stats) took(model, stage string, d time.Duration) {
	s.stages.WithLabelValues(model, stage).Observe(d.Seconds())
}

func (s *stats) ran(model string, pictures int, d time.Duration) {
	s.took(model, stageNetwork, d)
	s.pictures.WithLabelValues(model).Add(float64(pictures))
	s.batches.WithLabelValues(model).Observe(float64(pictures))
}

func (s *stats) answered(route string, status int, d time.Duration) {
	s.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	s.seconds.WithLabelValues(route).Observe(d.Seconds())
}

func (s *stats) handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})
}
