package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/metrics"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
)

// processName names this process among dispatchers and workers: the machine's name and random
// letters.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	host = strings.Map(func(r rune) rune {
		if r < 128 && queue.CheckToken(string(r)) == nil {
			return r
		}
		return '-'
	}, host)
	const most, random = 40, 8
	return fmt.Sprintf("%.*s-%s", most, host, strings.ToLower(rand.Text()[:random]))
}

// dispatch runs a dispatcher until ctx ends.
func (h *jobsHome) dispatch(ctx context.Context, log *slog.Logger) error {
	d, err := dispatch.New(dispatch.Config{Engine: h.Engine, Store: h.Store, ID: processName(), Alone: h.alone, Log: log, Observer: h.metrics.Dispatcher()})
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// workerParts are what a worker needs besides what it can do.
type workerParts struct {
	name    string
	tenant  string // "" for all
	engine  queue.Engine
	store   store.Store
	sources map[string]store.Store
	slots   int
	// maxBytes bounds a picture's file; 0: worker.DefaultMaxBytes.
	maxBytes int64
	metrics  *metrics.Metrics // nil: nothing is counted
	log      *slog.Logger
}

// work runs a worker until ctx ends.
func (p *workerParts) work(ctx context.Context, can map[string]worker.Work) error {
	w, err := worker.New(worker.Config{
		ID: p.name, Tenant: p.tenant, Engine: p.engine, Store: p.store, Sources: p.sources, Work: can, Slots: p.slots,
		MaxBytes: cmp.Or(p.maxBytes, worker.DefaultMaxBytes), Version: version(), Log: p.log,
		Observer: p.metrics.Worker(slices.Sorted(maps.Keys(can))),
	})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}
