package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/parallel"
)

var digest = strings.Repeat("0123456789abcdef", 4)

// house is a queue with a store and what runs on it.
type house struct {
	*Service
	t *testing.T
}

func newHouse(t *testing.T, engine queue.Engine) *house {
	t.Helper()
	s, err := store.OpenDir(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); engine.Close() })
	return &house{&Service{Engine: engine, Store: s, Sources: map[string]store.Store{"inbox": s}, Log: slog.New(slog.DiscardHandler)}, t}
}

// start runs f until the test ends or stop is called.
func (h *house) start(f func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := parallel.Go(func() error { return f(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			h.t.Error(err)
		}
	})
	h.t.Cleanup(stop)
	return stop
}

func (h *house) dispatcher() (stop func()) {
	d, err := dispatch.New(dispatch.Config{Engine: h.Engine, Store: h.Store, ID: "d", Alone: true, Batch: 10, Log: h.Log})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.start(d.Run)
}

func (h *house) worker(id string, w worker.Work) (stop func()) {
	pool, err := queue.PoolName(digest, queue.CPU)
	if err != nil {
		h.t.Fatal(err)
	}
	made, err := worker.New(worker.Config{
		ID: id, Engine: h.Engine, Store: h.Store, Sources: h.Sources, Work: map[string]worker.Work{pool: w},
		Slots: 1, MaxBytes: 1 << 20, Version: "test", Log: h.Log,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.start(made.Run)
}

// request asks for a job with pictures of the given names, which are put into the source unless
// they contain "missing".
func (h *house) request(names ...string) Request {
	h.t.Helper()
	for _, name := range names {
		if strings.Contains(name, "missing") || strings.Contains(name, "unput") {
			continue
		}
		if err := h.Store.Put(context.Background(), "in/"+name, strings.NewReader(name)); err != nil {
			h.t.Fatal(err)
		}
	}
	return Request{
		Tenant: DefaultTenant, Source: "inbox", Model: "fake", Digest: digest, Class: queue.CPU, Priority: queue.Bulk,
		Options: schema.Options{Threshold: 0.5, Maps: schema.MapsNone, MaxPixels: 1e8}, Items: items(names...),
	}
}

func items(names ...string) iter.Seq2[manifest.Item, error] {
	return func(yield func(manifest.Item, error) bool) {
		for _, name := range names {
			if !yield(manifest.Item{Key: "in/" + name}, nil) {
				return
			}
		}
	}
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%05d-unput.jpg", i))
	}
	return names
}

func (h *house) submit(r Request) schema.Job {
	h.t.Helper()
	job, _, err := h.Submit(context.Background(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	return job
}

// await waits until a job is as ok says. The limit is longer than queue.AckWait: a batch that was
// sent to a worker just before a server stopped is delivered again only after that.
func (h *house) await(id, what string, ok func(Status) bool) Status {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), queue.AckWait+30*time.Second)
	defer cancel()
	var last Status
	for {
		st, err := h.Status(ctx, DefaultTenant, id)
		if err != nil {
			h.t.Fatalf("waiting for a job that is %s, which was last %+v: %v", what, last, err)
		}
		if ok(st) {
			return st
		}
		if last = st; st.State.Over() || ctx.Err() != nil {
			h.t.Fatalf("the job is %+v, expected one that is %s", st, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (h *house) awaitDone(id string) Status {
	h.t.Helper()
	return h.await(id, "done", func(s Status) bool { return s.State == schema.Done })
}

// lines reads the results.
func (h *house) lines(id string) (records []schema.Record) {
	h.t.Helper()
	var b bytes.Buffer
	if _, err := h.Results(context.Background(), DefaultTenant, id, ResultsOptions{Format: schema.FormatJSONL}, &b); err != nil {
		h.t.Fatal(err)
	}
	for line := range bytes.Lines(b.Bytes()) {
		var r schema.Record
		if err := json.Unmarshal(line, &r); err != nil {
			h.t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}
