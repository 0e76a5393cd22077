package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/metrics"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
)

// localSource is the source of the pictures on this machine, which only the command line names.
const localSource = "local"

// natsOptions are the flags that say how the queue's servers are reached.
type natsOptions struct {
	url, creds string
	tls        queue.TLSFiles
	insecure   bool
}

// AddFlags declares the flags with their defaults.
func (o *natsOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.url, "nats", "", "`URL` of the queue's servers, such as tls://head:4222; several separated by commas")
	f.StringVar(&o.creds, "creds", "", "`file` with the credentials for the queue")
	f.StringVar(&o.tls.Cert, "tls-cert", "", "`file` with the certificate that this side shows (PEM)")
	f.StringVar(&o.tls.Key, "tls-key", "", "`file` with the certificate's key (PEM)")
	f.StringVar(&o.tls.CA, "tls-ca", "", "`file` with the certificates that sign those of the other side (PEM)")
	f.BoolVar(&o.insecure, "insecure", false, "permit connections without TLS")
}

// connect connects to the queue's servers. worker names a worker, "" everything else.
func (a *app) connect(ctx context.Context, o natsOptions, worker string, m *metrics.Metrics, log *slog.Logger) (*queue.JetStream, error) {
	c := queue.ConnectOptions{
		URL: o.url, Creds: o.creds, TLS: o.tls, Insecure: o.insecure, Name: "declip " + version(), Hooks: m.Hooks(), Log: log,
	}
	if worker != "" {
		c.Name, c.Worker, c.InboxPrefix = worker, true, "_INBOX_"+worker
	}
	return queue.Connect(ctx, c)
}

// jobsOptions are the flags that say where the jobs are.
type jobsOptions struct {
	dir     string
	nats    natsOptions
	store   string
	sources []string
	tenant  string
}

// AddFlags declares the flags with their defaults.
func (o *jobsOptions) AddFlags(f *pflag.FlagSet) {
	section(f, "Where the jobs are", func(f *pflag.FlagSet) {
		f.StringVar(&o.dir, "jobs", "declip-jobs", "`directory` with the queue and the store of this machine, created if needed")
		o.nats.AddFlags(f)
		f.StringVar(&o.store, "store", "", "`URL` of the store that goes with --nats, such as s3://bucket/prefix or file:///srv/declip")
		addSourceFlag(f, &o.sources)
		f.StringVar(&o.tenant, "tenant", jobs.DefaultTenant, "whose jobs they are")
	})
}

func addSourceFlag(f *pflag.FlagSet, sources *[]string) {
	f.StringArrayVar(sources, "source", nil, "`NAME=URL` of a source of pictures, such as inbox=s3://bucket/prefix; repeatable")
}

func (o *jobsOptions) check(cmd *cobra.Command) error {
	switch {
	case o.nats.url != "" && o.store == "":
		return usagef(cmd, "--store is missing: --nats needs the store that goes with the queue")
	case o.nats.url == "" && o.store != "":
		return usagef(cmd, "--nats is missing: --store goes with it")
	case o.nats.url == "" && o.dir == "":
		return usagef(cmd, "--jobs \"\": expected a directory")
	case queue.CheckToken(o.tenant) != nil:
		return usagef(cmd, "--tenant: %w", queue.CheckToken(o.tenant))
	}
	return checkSources(cmd, o.sources)
}

// errNoJobs is wrapped by the error about a directory of jobs that does not exist.
var errNoJobs = errors.New("no such directory")

// existing refuses a directory of jobs that does not exist: a command about a job would make an
// empty one.
func (o *jobsOptions) existing() error {
	if o.nats.url != "" {
		return nil
	}
	_, err := os.Stat(o.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--jobs %s: %w", o.dir, errNoJobs)
	}
	return err
}

func checkSources(cmd *cobra.Command, sources []string) error {
	for _, text := range sources {
		name, url, _ := strings.Cut(text, "=")
		if queue.CheckToken(name) != nil || url == "" || name == localSource {
			return usagef(cmd, "--source %q: expected NAME=URL, with a name of letters, digits, - and _ that is not %q", text, localSource)
		}
	}
	return nil
}

// jobsHome is a queue and a store that are open.
type jobsHome struct {
	*jobs.Service
	alone   bool             // no other process can use the queue
	metrics *metrics.Metrics // nil: nothing is counted
	opened  []interface{ Close() error }
}

// Close closes all.
func (h *jobsHome) Close() error {
	var errs []error
	for i := len(h.opened) - 1; i >= 0; i-- {
		errs = append(errs, h.opened[i].Close())
	}
	return errors.Join(errs...)
}

// openJobs opens the queue and the store. m counts what happens to them; it may be nil.
func (a *app) openJobs(ctx context.Context, o jobsOptions, m *metrics.Metrics, log *slog.Logger) (h *jobsHome, err error) {
	h = &jobsHome{Service: &jobs.Service{Sources: map[string]store.Store{}, Log: log}, metrics: m}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if o.nats.url != "" {
		engine, err := a.connect(ctx, o.nats, "", m, log)
		if err != nil {
			return h, err
		}
		h.Engine, h.opened = engine, append(h.opened, engine)
		return h, h.openStores(ctx, o.store, o.sources)
	}
	h.alone = true
	engine, err := queue.Start(ctx, filepath.Join(o.dir, "queue"), m.Hooks(), log)
	if errors.Is(err, queue.ErrBusy) {
		return h, fmt.Errorf("%s: %w: only one declip at a time can use these jobs", o.dir, err)
	}
	if err != nil {
		return h, err
	}
	h.Engine, h.opened = engine, append(h.opened, engine)
	dir, err := store.OpenDir(filepath.Join(o.dir, "store"), store.Options{})
	if err != nil {
		return h, err
	}
	h.useStore(dir)
	return h, errors.Join(h.openLocal(), h.openSources(ctx, o.sources))
}

// openStores opens the store of manifests and results, and the sources of pictures.
func (h *jobsHome) openStores(ctx context.Context, url string, sources []string) error {
	if err := h.openStore(ctx, url); err != nil {
		return err
	}
	return h.openSources(ctx, sources)
}

// openStore opens the store of manifests and results.
func (h *jobsHome) openStore(ctx context.Context, url string) error {
	s, err := store.Open(ctx, url, store.Options{})
	if err == nil {
		h.useStore(s)
	}
	return err
}

func (h *jobsHome) useStore(s store.Store) {
	h.Store = h.metrics.Store(metrics.UseResults, s)
	h.opened = append(h.opened, h.Store)
}

func (h *jobsHome) useSource(name string, s store.Store) {
	h.Sources[name] = h.metrics.Store(metrics.UseSource, s)
	h.opened = append(h.opened, h.Sources[name])
}

// openLocal opens the source of all pictures on this machine.
func (h *jobsHome) openLocal() error {
	s, err := store.OpenDir(fileSystem, store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	h.useSource(localSource, s)
	return nil
}

// fileSystem is the root of the file system.
const fileSystem = "/"

func (h *jobsHome) openSources(ctx context.Context, sources []string) error {
	for _, text := range sources {
		name, url, _ := strings.Cut(text, "=")
		s, err := store.Open(ctx, url, store.Options{ReadOnly: true})
		if err != nil {
			return fmt.Errorf("--source %s: %w", name, err)
		}
		h.useSource(name, s)
	}
	return nil
}

// quietLog is the log of commands that print their results themselves: warnings go to standard
// error.
func (a *app) quietLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
