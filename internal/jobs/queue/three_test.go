package queue

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/queue/queuetest"
)

// cluster is three servers in this process, on loopback.
type cluster struct {
	t         *testing.T
	authority *authority
	options   [3]ServerOptions
	servers   [3]*Server
}

// startCluster starts the servers; they are closed with the test.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, authority: newAuthority(t)}
	dir, routes, clients := t.TempDir(), queuetest.Addresses(t, 3), queuetest.Addresses(t, 3)
	for i := range c.options {
		name := fmt.Sprintf("server%d", i)
		c.options[i] = ServerOptions{
			Dir: filepath.Join(dir, name), Listen: clients[i], TLS: c.authority.files(name), Log: testLog(t),
			Cluster: &ClusterOptions{Name: "test", Server: name, Listen: routes[i], Peers: routes, TLS: c.authority.files(name + "-route")},
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

func (c *cluster) start(i int) {
	c.t.Helper()
	s, err := StartServer(context.Background(), c.options[i]) // it outlives the context of a subtest
	if err != nil {
		c.t.Fatal(err)
	}
	c.servers[i] = s
}

func (c *cluster) stop(i int) {
	if c.servers[i] == nil {
		return
	}
	if err := c.servers[i].Close(); err != nil {
		c.t.Error(err)
	}
	c.servers[i] = nil
}

// connect connects to the servers, and sets the queue up.
func (c *cluster) connect() *JetStream {
	c.t.Helper()
	o := ConnectOptions{URL: "nats://" + c.options[0].Listen, TLS: c.authority.files("client"), Name: "test"}
	for _, other := range c.options[1:] {
		o.URL += ",nats://" + other.Listen
	}
	options, err := o.nats()
	if err != nil {
		c.t.Fatal(err)
	}
	e, err := connect(c.t.Context(), o.URL, options, testSettings(c.t), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := e.Close(); err != nil {
			c.t.Error(err)
		}
	})
	return e
}

// TestThree runs the suite on three servers, then kills the leader under a taker.
func TestThree(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	e := c.connect()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	if err := e.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("set up after %v", time.Since(began))
	r := inspect(t, e)
	for _, s := range r.Streams {
		if s.Copies != 3 || s.Leader == "" {
			t.Errorf("got %+v, expected three copies", s)
		}
	}
	if r.Cluster != "test" || !r.TLS || len(r.Streams) != 8 {
		t.Errorf("got %+v", r)
	}
	t.Run("Suite", func(t *testing.T) { suite(t, e, testWait, testTTL, true) })
	t.Run("Heal", func(t *testing.T) { healsConsumerAhead(t, e) })
	t.Run("LosesLeader", func(t *testing.T) { losesLeader(t, c, e) })
	t.Run("ReplacesLeaderless", func(t *testing.T) { replacesLeaderless(t, c, e) })
}

// leader is the server that leads a stream, -1 if none does.
func (c *cluster) leader(t *testing.T, e *JetStream, stream string) int {
	t.Helper()
	info, err := e.info(t.Context(), stream)
	no(t, err)
	for i, o := range c.options {
		if info.Cluster != nil && info.Cluster.Leader == o.Cluster.Server {
			return i
		}
	}
	return -1
}

// losesLeader stops the leader of the work while batches are put in, taken and finished, and starts
// it again: nothing is lost, and readers continue.
func losesLeader(t *testing.T, c *cluster, e *JetStream) {
	const batches = 60
	no(t, e.Pool(t.Context(), "killed", 1))
	events, err := e.Events(t.Context(), "done.killed.>", 0)
	no(t, err)
	defer events.Close()
	from := mustOpen(t, e, TakeOptions{Pools: []string{"killed"}, Prefetch: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	put := make(chan error, 1)
	go func() { put <- putAll(ctx, e, batches) }()
	taken := map[string]int{}
	victim := -1
	for len(taken) < batches {
		if len(taken) == batches/3 && victim < 0 {
			if victim = c.leader(t, e, workStream); victim >= 0 {
				c.stop(victim)
			}
		}
		l, err := from.Take(ctx)
		no(t, err)
		w, err := ParseWork(l.Subject())
		no(t, err)
		done, err := Done{w.Tenant, w.Job, w.Batch}.Subject()
		no(t, err)
		_, err = e.Put(ctx, done, nil)
		no(t, err)
		no(t, l.Done(ctx))
		taken[w.Batch]++
	}
	no(t, <-put)
	if victim < 0 {
		t.Fatal("no leader was stopped")
	}
	c.start(victim)
	seen := map[string]bool{}
	for len(seen) < batches {
		event, err := events.Next(ctx)
		no(t, err)
		seen[event.Subject] = true
	}
	more := 0
	for _, n := range taken {
		more += n - 1
	}
	t.Logf("server %d stopped; %d of %d batches were delivered more than once", victim, more, batches)
	for {
		n, err := e.Depth(ctx, "work.killed.>")
		no(t, err)
		if n == 0 {
			return
		}
		if l, err := from.Take(ctx); err == nil { // delivered again before its end was known
			no(t, l.Done(ctx))
		}
	}
}

func putAll(ctx context.Context, e Engine, batches int) error {
	for i := range batches {
		if _, err := e.Put(ctx, "work.killed.normal.killed.J."+RangeName(i, 1), nil); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}
