package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
	if o.role == "server" {
		return playServer(ctx, o, logger)
	}
	engine, err := connect(ctx, o.url, o.role+" "+o.id, logger)
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

func connect(ctx context.Context, url, name string, logger *slog.Logger) (*queue.JetStream, error) {
	for {
		engine, err := queue.Connect(ctx, queue.ConnectOptions{URL: url, Insecure: true, Name: name, Log: logger})
		if err == nil || ctx.Err() != nil {
			return engine, err
		}
		logger.Warn("no connection yet", "error", err)
	}
}

// playServer runs a server. o.id is its number, and o.url lists the addresses of all servers and,
// behind a semicolon, those at which they reach each other.
func playServer(ctx context.Context, o options, logger *slog.Logger) error {
	clients, routes, _ := strings.Cut(o.url, ";")
	var number int
	if _, err := fmt.Sscan(o.id, &number); err != nil {
		return err
	}
	so := queue.ServerOptions{
		Dir: filepath.Join(o.dir, "queue-"+o.id), Insecure: true, Log: logger,
		Listen: strings.TrimPrefix(strings.Split(clients, ",")[number], "nats://"),
	}
	if routes != "" {
		peers := strings.Split(routes, ",")
		so.Cluster = &queue.ClusterOptions{Name: "chaos", Server: "s" + o.id, Listen: peers[number], Peers: peers}
	}
	server, err := queue.StartServer(ctx, so)
	if err != nil {
		return err
	}
	defer server.Close()
	copies := 1
	if routes != "" {
		copies = 3
	}
	engine, err := server.Connect(ctx, copies, queue.Hooks{}, logger)
	if err != nil {
		return err
	}
	defer engine.Close()
	if err := engine.Setup(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
