package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/queue/queuetest"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
)

// trio is three servers of a queue in this process, on loopback.
type trio struct {
	t       *testing.T
	options [3]queue.ServerOptions
	servers [3]*queue.Server
}

func startTrio(t *testing.T) *trio {
	t.Helper()
	list := queuetest.Addresses(t, 6)
	clients, routes := list[:3], list[3:]
	c, dir := &trio{t: t}, t.TempDir()
	for i := range c.options {
		name := fmt.Sprint("s", i)
		c.options[i] = queue.ServerOptions{
			Dir: filepath.Join(dir, name), Listen: clients[i], Insecure: true, Log: slog.New(slog.DiscardHandler),
			Cluster: &queue.ClusterOptions{Name: "trio", Server: name, Listen: routes[i], Peers: routes},
		}
		c.start(i)
	}
	t.Cleanup(func() {
		var all sync.WaitGroup
		for i := range c.servers {
			all.Go(func() { c.stop(i) })
		}
		all.Wait()
	})
	return c
}

func (c *trio) start(i int) {
	c.t.Helper()
	s, err := queue.StartServer(context.Background(), c.options[i])
	if err != nil {
		c.t.Fatal(err)
	}
	c.servers[i] = s
}

func (c *trio) stop(i int) {
	if s := c.servers[i]; s != nil {
		c.servers[i] = nil
		if err := s.Close(); err != nil {
			c.t.Error(err)
		}
	}
}

// connect connects to the servers, whichever answers, and sets the queue up.
func (c *trio) connect(ctx context.Context) *queue.JetStream {
	c.t.Helper()
	var urls []string
	for _, o := range c.options {
		urls = append(urls, "nats://"+o.Listen)
	}
	e, err := queue.Connect(ctx, queue.ConnectOptions{URL: strings.Join(urls, ","), Insecure: true, Name: "test", Log: c.options[0].Log})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := e.Setup(ctx); err != nil {
		c.t.Fatal(err)
	}
	return e
}

// leader is the server that leads the stream of batches.
func (c *trio) leader(ctx context.Context, e *queue.JetStream) int {
	c.t.Helper()
	r, err := e.Inspect(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, s := range r.Streams {
		for i, o := range c.options {
			if s.Name == "WORK" && s.Leader == o.Cluster.Server {
				return i
			}
		}
	}
	c.t.Fatalf("no server leads: %+v", r)
	return -1
}

// A job whose queue loses one of three servers in the middle, the one that leads, and gets it back,
// ends with one record for each picture.
func TestThreeServers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := startTrio(t)
	began := time.Now()
	lap := func(what string) {
		t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond))
	}
	engine := c.connect(ctx)
	lap("the queue is set up")
	h := newHouse(t, engine)
	d, err := dispatch.New(dispatch.Config{Engine: engine, Store: h.Store, ID: "d", Batch: 10, Log: h.Log})
	if err != nil {
		t.Fatal(err)
	}
	h.start(d.Run)
	const pictures = 600
	var seen atomic.Int64
	for _, id := range []string{"w1", "w2"} {
		h.worker(id, &jobstest.Work{Item: 5 * time.Millisecond, Unread: true, Seen: func(*schema.Job, string) { seen.Add(1) }})
	}
	until := func(n int64) {
		for seen.Load() < n {
			if err := parallel.Sleep(ctx, time.Millisecond); err != nil {
				t.Fatalf("%d pictures were begun, expected %d: %v", seen.Load(), n, err)
			}
		}
	}
	job := h.submit(h.request(numbered(pictures)...))
	until(pictures / 6)
	lap("the job is under way")
	victim := c.leader(ctx, engine)
	c.stop(victim)
	lap("a server has stopped")
	until(max(pictures/2, seen.Load()+pictures/6))
	if st, err := h.Status(ctx, DefaultTenant, job.ID); err != nil || st.State.Over() {
		t.Errorf("before the server starts again: got %+v, %v", st, err)
	}
	c.start(victim)
	lap("the server has started again")
	st := h.awaitDone(job.ID)
	lap("the job is done")
	if st.Counts != (schema.Counts{Done: pictures}) {
		t.Errorf("got %+v", st.Counts)
	}
	records := h.lines(job.ID)
	if len(records) != pictures {
		t.Errorf("got %d records, expected %d", len(records), pictures)
	}
	for i, r := range records {
		if r.Item != i || r.Status != schema.StatusOK {
			t.Fatalf("record %d is that of item %d, %s", i, r.Item, r.Status)
		}
	}
}
