package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/results"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// chaos is a run.
type chaos struct {
	options
	supervisor *supervisor
	kinds      map[string][]*process
	service    *jobs.Service
	names      []string // of the pictures of each job
	digest     string
	began      map[string]time.Time // jobs that run
	broken     int
	checked    int // records
	over       int // jobs
}

func run(ctx context.Context, o options) (broken int, err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "chaos-"); err != nil {
			return 0, err
		}
		defer os.RemoveAll(o.dir)
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return 0, err
	}
	c := &chaos{options: o, supervisor: newSupervisor(o.seed), kinds: map[string][]*process{}, began: map[string]time.Time{}}
	servers, err := c.startProcesses(ctx)
	defer c.supervisor.stop()
	if err != nil {
		return 0, err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	engine, err := servers.Connect(ctx, "chaos", logger)
	if err != nil {
		return 0, err
	}
	defer engine.Close()
	if err := engine.Setup(ctx); err != nil {
		return 0, err
	}
	results, err := store.OpenDir(filepath.Join(o.dir, "store"), store.Options{})
	if err != nil {
		return 0, err
	}
	defer results.Close()
	sources := map[string]store.Store{source: results}
	c.service = &jobs.Service{Engine: engine, Store: results, Sources: sources, Log: logger}
	start := time.Now()
	if err := c.rage(ctx); err != nil {
		return c.broken, err
	}
	log.Printf("%d servers, %d workers: %d kills in %v, %d further ends of processes; %d jobs, %d records checked, %d broken promises",
		o.servers, o.workers, c.supervisor.asked, time.Since(start).Round(time.Second), c.supervisor.own, c.over, c.checked, c.broken)
	return c.broken, nil
}

// startProcesses starts all processes and returns the servers.
func (c *chaos) startProcesses(ctx context.Context) (servers jobstest.Servers, err error) {
	self, err := os.Executable()
	if err != nil {
		return servers, err
	}
	if servers, err = jobstest.NewServers(ctx, c.servers); err != nil {
		return servers, err
	}
	add := func(kind, id string) {
		p := c.supervisor.add(c.dir, kind+"-"+id, self, "-role", kind, "-id", id, "-dir", c.dir, "-queue", servers.String(),
			"-picture", c.picture.String())
		c.kinds[kind] = append(c.kinds[kind], p)
	}
	for i := range c.servers {
		add("server", fmt.Sprint(i))
	}
	add("dispatcher", "d1")
	add("dispatcher", "d2")
	c.digest = fakeDigest
	if c.declip != "" {
		return servers, c.startProgram(ctx, servers.URL())
	}
	for i := range c.workers {
		add("worker", fmt.Sprint("w", i))
	}
	for i := range c.items {
		c.names = append(c.names, fmt.Sprintf("%07d.jpg", i))
	}
	third := c.items / 3
	c.names[third], c.names[1], c.names[2*third] = "poison.jpg", "bad-1.jpg", "bad-2.jpg"
	return servers, nil
}

// rage kills and checks until all kills are made and all jobs are over.
func (c *chaos) rage(ctx context.Context) error {
	next := time.Now()
	for {
		for c.supervisor.asked < c.kills && len(c.began) < c.jobs || c.over == 0 && len(c.began) == 0 {
			if err := c.submit(ctx); err != nil {
				return err
			}
		}
		if now := time.Now(); c.supervisor.asked < c.kills && now.After(next) {
			log.Printf("kill %d: %s", c.supervisor.asked+1, c.supervisor.strike(c.kinds))
			next = now.Add(time.Duration(1000+c.supervisor.random.IntN(4000)) * time.Millisecond)
		}
		if err := c.look(ctx); err != nil {
			return err
		}
		if len(c.began) == 0 && c.supervisor.asked >= c.kills {
			return nil
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d jobs are not over: %w", len(c.began), context.Cause(ctx))
		}
	}
}

func (c *chaos) submit(ctx context.Context) error {
	job, _, err := c.service.Submit(ctx, jobs.Request{
		Tenant: jobs.DefaultTenant, Source: source, Model: "chaos", Digest: c.digest, Class: queue.CPU, Priority: queue.Bulk,
		Options: schema.Options{Threshold: 0.5, Maps: schema.MapsNone, MaxPixels: 1 << 40},
		Items: func(yield func(manifest.Item, error) bool) {
			for _, name := range c.names {
				if !yield(manifest.Item{Key: name}, nil) {
					return
				}
			}
		},
	})
	if err != nil {
		return err
	}
	c.began[job.ID] = time.Now()
	log.Printf("job %s: %d pictures", job.ID, job.Items)
	return nil
}

// look checks the jobs that are over.
func (c *chaos) look(ctx context.Context) error {
	for id, began := range c.began {
		st, err := c.service.Status(ctx, jobs.DefaultTenant, id)
		if err != nil {
			return err
		}
		if !st.State.Over() {
			continue
		}
		delete(c.began, id)
		c.over++
		log.Printf("job %s is %s after %v: %+v", id, st.State, time.Since(began).Round(time.Second), st.Counts)
		if st.State != schema.Done {
			c.promise(id, "it is %s: %s", st.State, st.Error)
			continue
		}
		if err := c.check(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// promise reports a broken one.
func (c *chaos) promise(id, format string, args ...any) {
	c.broken++
	log.Printf("BROKEN: job %s: %s", id, fmt.Sprintf(format, args...))
}

// check compares the results of a job with its pictures.
func (c *chaos) check(ctx context.Context, id string) error {
	var text bytes.Buffer
	if err := results.CopyMerged(ctx, c.service.Store, jobs.DefaultTenant, id, &text); err != nil {
		return err
	}
	seen := make([]int, len(c.names))
	for line := range bytes.Lines(text.Bytes()) {
		var r schema.Record
		if err := schema.Decode(line, &r); err != nil {
			c.promise(id, "%v", err)
			continue
		}
		c.checked++
		if r.Item >= len(seen) || r.Key != c.names[r.Item] {
			c.promise(id, "item %d is %s", r.Item, r.Key)
			continue
		}
		seen[r.Item]++
		want := schema.StatusOK
		switch {
		case strings.HasPrefix(r.Key, "poison"):
			want = schema.StatusDead
		case strings.HasPrefix(r.Key, "bad"):
			want = schema.StatusError
		}
		if r.Status != want {
			c.promise(id, "%s is %s, expected %s", r.Key, r.Status, want)
		}
	}
	for i, n := range seen {
		if n != 1 {
			c.promise(id, "%s has %d records", c.names[i], n)
		}
	}
	return nil
}
