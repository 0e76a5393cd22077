package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/parallel"
)

// fakeDigest is the digest of the fake model.
var fakeDigest = strings.Repeat("0123456789abcdef", 4)

const (
	source   = "inbox" // name of the source of the pictures
	underWay = 2       // jobs at a time
)

// node is the process that uses the queue. An embedded queue is in it.
type node struct {
	options
	notes   *notebook
	engine  queue.Engine
	store   store.Store
	service *jobs.Service
	log     *slog.Logger
	open    map[string]bool // jobs that are not over
}

// play does what a process in a role does, in o.dir. A node writes notes on standard output.
func play(ctx context.Context, o options) error {
	n := &node{options: o, notes: &notebook{file: os.Stdout}, open: map[string]bool{}}
	n.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if o.role == "server" {
		servers, err := jobstest.ParseServers(o.queue)
		if err != nil {
			return err
		}
		return servers.Serve(ctx, o.number, filepath.Join(o.dir, "queue"), n.log)
	}
	engine, err := n.connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	objects, err := store.OpenDir(filepath.Join(o.dir, "store"), store.Options{})
	if err != nil {
		return err
	}
	defer objects.Close()
	n.engine, n.store = engine, &noted{objects, n.notes}
	if o.unsafe {
		n.store = &noted{&unsynced{objects, filepath.Join(o.dir, "store")}, n.notes}
	}
	n.service = &jobs.Service{Engine: engine, Store: n.store, Sources: map[string]store.Store{source: objects}, Log: n.log}
	if err := n.list(ctx); err != nil {
		return err
	}
	group, ctx := parallel.WithContext(ctx)
	group.Go(func() error { return n.dispatch(ctx) })
	group.Go(func() error { return n.work(ctx) })
	group.Go(func() error { return n.call(ctx) })
	group.Go(func() error { return n.probe(ctx) })
	return group.Wait()
}

// connect opens the queue: an embedded one, or that of servers.
func (n *node) connect(ctx context.Context) (*queue.JetStream, error) {
	if n.queue == "" {
		return queue.Start(ctx, filepath.Join(n.dir, "queue"), queue.Hooks{}, n.log)
	}
	servers, err := jobstest.ParseServers(n.queue)
	if err != nil {
		return nil, err
	}
	engine, err := servers.Connect(ctx, "node", n.log)
	if err != nil {
		return nil, err
	}
	return engine, engine.Setup(ctx) // waits until the servers have found each other
}

// probe sets keys of the queue one after the other, and notes which were answered. Nothing else
// depends on them, so that nothing mends their loss.
func (n *node) probe(ctx context.Context) error {
	const every = 50 * time.Millisecond
	bucket, err := n.engine.Bucket(queue.BucketTries)
	if err != nil {
		return err
	}
	for {
		key := probes + fmt.Sprint(time.Now().UnixNano())
		if _, err := bucket.Create(ctx, key, []byte(key)); err != nil {
			return err
		}
		if err := n.notes.add(note{What: noteProbe, Key: key}); err != nil {
			return err
		}
		if err := parallel.Sleep(ctx, every); err != nil {
			return err
		}
	}
}

// probes begins the keys of probe.
const probes = "probe."

// list notes the existing keys of probe, and the existing jobs.
func (n *node) list(ctx context.Context) error {
	bucket, err := n.engine.Bucket(queue.BucketTries)
	if err != nil {
		return err
	}
	entries, err := bucket.List(ctx, probes+"*")
	if err != nil {
		return err
	}
	found := note{What: noteFound}
	for _, e := range entries {
		if string(e.Value) == e.Key {
			found.Found = append(found.Found, e.Key)
		}
	}
	if err := n.notes.add(found); err != nil {
		return err
	}
	all, err := n.service.List(ctx, jobs.DefaultTenant)
	if err != nil {
		return err
	}
	for _, st := range all {
		n.open[st.ID] = !st.State.Over()
		if err := n.notes.add(note{What: noteKnown, Job: st.ID, State: string(st.State)}); err != nil {
			return err
		}
	}
	return n.notes.add(note{What: noteListed})
}

func (n *node) dispatch(ctx context.Context) error {
	const batch = 8
	d, err := dispatch.New(dispatch.Config{Engine: n.engine, Store: n.store, ID: "d", Alone: n.queue == "", Batch: batch, Log: n.log})
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

func (n *node) work(ctx context.Context) error {
	pool, err := queue.PoolName(fakeDigest, queue.CPU)
	if err != nil {
		return err
	}
	w, err := worker.New(worker.Config{
		ID: "w", Engine: n.engine, Store: n.store, Sources: n.service.Sources,
		Work:  map[string]worker.Work{pool: &jobstest.Work{Item: n.picture, Unread: true}},
		Slots: 2, MaxBytes: 1 << 20, Version: "powercut", Log: n.log,
	})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// call submits jobs, so that some are always under way, and notes when they are over.
func (n *node) call(ctx context.Context) error {
	const look = 100 * time.Millisecond
	for {
		left := 0
		for id, open := range n.open {
			if !open {
				continue
			}
			st, err := n.service.Status(ctx, jobs.DefaultTenant, id)
			if err != nil {
				return err
			}
			if !st.State.Over() {
				left++
				continue
			}
			n.open[id] = false
			if err := n.notes.add(note{What: noteOver, Job: id, State: string(st.State)}); err != nil {
				return err
			}
		}
		if left == 0 && n.last {
			return n.notes.add(note{What: noteIdle})
		}
		for ; left < underWay && !n.last; left++ {
			if err := n.submit(ctx); err != nil {
				return err
			}
		}
		if err := parallel.Sleep(ctx, look); err != nil {
			return err
		}
	}
}

func (n *node) submit(ctx context.Context) error {
	key := fmt.Sprint(time.Now().UnixNano())
	if err := n.notes.add(note{What: noteAsked, Key: key}); err != nil {
		return err
	}
	job, _, err := n.service.Submit(ctx, jobs.Request{
		Tenant: jobs.DefaultTenant, Key: key, Source: source, Model: "powercut", Digest: fakeDigest, Class: queue.CPU, Priority: queue.Bulk,
		Options: schema.Options{Threshold: 0.5, Maps: schema.MapsNone, MaxPixels: 1 << 40},
		Items: func(yield func(manifest.Item, error) bool) {
			for i := range n.items {
				if !yield(manifest.Item{Key: pictureName(i)}, nil) {
					return
				}
			}
		},
	})
	if err != nil {
		return err
	}
	n.open[job.ID] = true
	return n.notes.add(note{What: noteJob, Key: key, Job: job.ID})
}

// pictureName is the key of a picture; one of each job cannot be read.
func pictureName(i int) string {
	if i == 1 {
		return "bad.jpg"
	}
	return fmt.Sprintf("%07d.jpg", i)
}

// noted is a store that notes what is written to it.
type noted struct {
	store.Store
	notes *notebook
}

func (s *noted) write(ctx context.Context, key string, body io.Reader, by func(context.Context, string, io.Reader) error) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return s.notes.change(key, sum(data), func() error { return by(ctx, key, bytes.NewReader(data)) })
}

// Put implements store.Store.
func (s *noted) Put(ctx context.Context, key string, body io.Reader) error {
	return s.write(ctx, key, body, s.Store.Put)
}

// PutIfAbsent implements store.Store.
func (s *noted) PutIfAbsent(ctx context.Context, key string, body io.Reader) error {
	return s.write(ctx, key, body, s.Store.PutIfAbsent)
}

// Delete implements store.Store.
func (s *noted) Delete(ctx context.Context, key string) error {
	return s.notes.change(key, "", func() error { return s.Store.Delete(ctx, key) })
}

// unsynced is a store in a directory that renames its files into place without fsync.
type unsynced struct {
	store.Store
	dir string
}

// Put implements store.Store.
func (s *unsynced) Put(_ context.Context, key string, body io.Reader) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, filepath.FromSlash(key))
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+".part", data, 0o600), os.Rename(path+".part", path))
}

// PutIfAbsent implements store.Store.
func (s *unsynced) PutIfAbsent(ctx context.Context, key string, body io.Reader) error {
	if _, err := s.Stat(ctx, key); err == nil {
		return fmt.Errorf("%s: %w", key, store.ErrExists)
	}
	return s.Put(ctx, key, body)
}
