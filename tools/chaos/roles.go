package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/jobstest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
)

// fakeDigest is the digest of the fake model.
var fakeDigest = strings.Repeat("0123456789abcdef", 4)

// play is what a process does that chaos has started, until it is killed.
func play(ctx context.Context, o options) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	servers, err := jobstest.ParseServers(o.queue)
	if err != nil {
		return err
	}
	if o.role == "server" {
		number, err := strconv.Atoi(o.id)
		if err != nil {
			return err
		}
		return servers.Serve(ctx, number, filepath.Join(o.dir, "queue-"+o.id), logger)
	}
	engine, err := servers.Connect(ctx, o.role+" "+o.id, logger)
	if err != nil {
		return err
	}
	defer engine.Close()
	results, err := store.OpenDir(filepath.Join(o.dir, "store"), store.Options{})
	if err != nil {
		return err
	}
	defer results.Close()
	if o.role == "dispatcher" {
		d, err := dispatch.New(dispatch.Config{Engine: engine, Store: results, ID: o.id, Log: logger})
		if err != nil {
			return err
		}
		return d.Run(ctx)
	}
	pool, err := queue.PoolName(fakeDigest, queue.CPU)
	if err != nil {
		return err
	}
	w, err := worker.New(worker.Config{
		ID: o.id, Engine: engine, Store: results, Sources: map[string]store.Store{source: results},
		Work:  map[string]worker.Work{pool: &jobstest.Work{Item: o.picture, Unread: true}},
		Slots: 1, MaxBytes: 1 << 20, Version: "chaos", Log: logger,
	})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// source is the name of the source of the pictures.
const source = "inbox"
