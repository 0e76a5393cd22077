package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/serve/webhook"
)

// jobsServeOptions are the flags of "declip jobs serve".
type jobsServeOptions struct {
	server  queue.ServerOptions
	cluster queue.ClusterOptions
	nats    string
	creds   string
	store   string
	secret  string
	log     string
	metrics metricsOptions
}

// AddFlags declares the flags with their defaults.
func (o *jobsServeOptions) AddFlags(f *pflag.FlagSet) {
	s := &o.server
	f.StringVar(&s.Dir, "jobs", "declip-jobs", "`directory` for the queue, created if needed")
	f.StringVar(&o.store, "store", "", "`URL` of the store of manifests and results, which the workers use too (default: store in the directory of --jobs)")
	f.StringVar(&o.log, "log", logText, "log on standard error: text, json or off")
	o.metrics.AddFlags(f)
	addWebhookFlag(f, &o.secret)
	section(f, "Other machines", func(f *pflag.FlagSet) {
		f.StringVar(&s.Listen, "listen", "127.0.0.1:4222", "address and port for workers and submitters; port 0 chooses a free one")
		f.StringVar(&s.TLS.Cert, "tls-cert", "", "`file` with the server's certificate (PEM)")
		f.StringVar(&s.TLS.Key, "tls-key", "", "`file` with the certificate's key (PEM)")
		f.StringVar(&s.TLS.CA, "tls-ca", "", "`file` with the certificates that sign those of clients (PEM): clients must show one")
		f.StringVar(&s.Users, "users", "", "`file` with the users and what they may do; docs/jobs/worker-permissions.conf is an example")
		f.BoolVar(&s.Insecure, "insecure", false, "permit connections without TLS and without credentials")
	})
	section(f, "Servers of your own", func(f *pflag.FlagSet) {
		f.StringVar(&o.nats, "nats", "", "`URL` of NATS servers: only dispatch the jobs in their queue, and run no server")
		f.StringVar(&o.creds, "creds", "", "`file` with the credentials for these servers")
	})
	section(f, "Cluster", func(f *pflag.FlagSet) {
		c := &o.cluster
		f.StringVar(&c.Name, "cluster", "", "`name` of the cluster of servers; empty for a single server")
		f.StringVar(&c.Server, "server-name", "", "`name` of this server, another one for each")
		f.StringVar(&c.Listen, "cluster-listen", "", "`address` and port for the other servers")
		f.StringArrayVar(&c.Peers, "peer", nil, "`address` and port of another server of the cluster; repeatable")
		f.StringVar(&c.TLS.Cert, "cluster-cert", "", "`file` with the certificate that servers show to each other (PEM)")
		f.StringVar(&c.TLS.Key, "cluster-key", "", "`file` with that certificate's key (PEM)")
		f.StringVar(&c.TLS.CA, "cluster-ca", "", "`file` with the certificates that sign those of servers (PEM)")
	})
}

func (o *jobsServeOptions) check(cmd *cobra.Command) error {
	c := &o.cluster
	switch {
	case o.nats != "" && (o.store == "" || c.Name != "" || o.server.Users != ""):
		return usagef(cmd, "--nats runs no server: it needs --store, and neither --cluster nor --users")
	case o.nats == "" && o.creds != "":
		return usagef(cmd, "--creds is for --nats")
	case o.server.Dir == "" || o.server.Listen == "":
		return usagef(cmd, "--jobs and --listen must not be empty")
	case c.Name != "" && (c.Server == "" || c.Listen == "" || len(c.Peers) == 0):
		return usagef(cmd, "--cluster needs --server-name, --cluster-listen and --peer")
	case c.Name == "" && (c.Server != "" || c.Listen != "" || len(c.Peers) > 0):
		return usagef(cmd, "--server-name, --cluster-listen and --peer need --cluster")
	}
	return cmp.Or(checkLog(cmd, o.log), o.metrics.check(cmd))
}

func checkLog(cmd *cobra.Command, form string) error {
	if form != logText && form != logJSON && form != logOff {
		return usagef(cmd, "--log %q: expected text, json or off", form)
	}
	return nil
}

func (a *app) newJobsServe() *cobra.Command {
	var o jobsServeOptions
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Keep the queue for workers on other machines",
		Long: `Run the queue's server, and dispatch the jobs in it. Workers and submitters connect to
--listen; all of them use the same store.

The server listens with TLS only, and asks for credentials (--users) or client
certificates (--tls-ca), unless --insecure is set. Three of them with --cluster keep
three copies of the queue: one may fail. Each server of a cluster dispatches if the
one that does fails.`,
		Example: `  declip jobs serve --listen 0.0.0.0:4222 --tls-cert head.pem --tls-key head.key --users users.conf --store s3://declip/jobs
  declip jobs serve --insecure`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.runJobsServe(cmd.Context(), o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runJobsServe(ctx context.Context, o jobsServeOptions) error {
	log, _ := a.newLog(o.log)
	secret, err := readSecret(o.secret)
	if err != nil {
		return err
	}
	shown, err := a.listenMetrics(ctx, o.metrics)
	if err != nil {
		return err
	}
	defer shown.Close()
	h := &jobsHome{Service: &jobs.Service{Log: log}, metrics: shown.metrics()}
	defer h.Close()
	where := o.store
	if where == "" {
		where = filepath.Join(o.server.Dir, "store")
	}
	if err := h.openStore(ctx, where); err != nil {
		return err
	}
	d := &head{jobsHome: h, shown: shown, secret: secret}
	if o.nats != "" {
		nats := natsOptions{url: o.nats, creds: o.creds, tls: o.server.TLS, insecure: o.server.Insecure}
		engine, err := a.connect(ctx, nats, "", shown.metrics(), log)
		if err != nil {
			return err
		}
		defer engine.Close()
		fmt.Fprintf(a.stdout, "declip dispatches the jobs at %s, store %s\n", o.nats, h.Store.URL())
		a.sayMetrics(shown, o.metrics)
		return d.dispatchAt(ctx, engine)
	}
	o.server.Dir, o.server.Log = filepath.Join(o.server.Dir, "queue"), log
	copies := 1
	if o.cluster.Name != "" {
		o.server.Cluster = &o.cluster
		copies = min(3, len(o.cluster.Peers)+1)
	}
	server, err := queue.StartServer(ctx, o.server)
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Fprintf(a.stdout, "declip keeps the queue at %s, store %s\n", server.Addr(), h.Store.URL())
	a.sayMetrics(shown, o.metrics)
	engine, err := server.Connect(ctx, copies, shown.metrics().Hooks(), log)
	if err != nil {
		return err
	}
	defer engine.Close()
	return d.dispatchAt(ctx, engine)
}

// head dispatches for workers on other machines.
type head struct {
	*jobsHome
	shown  *metricsServer // nil: none
	secret []byte         // nil: no webhooks are sent
}

// dispatchAt prepares the queue and dispatches the jobs in it until ctx ends.
func (h *head) dispatchAt(ctx context.Context, engine *queue.JetStream) error {
	h.Engine = engine
	seen := h.metrics.Queue(engine, h.Log)
	group, inner := parallel.WithContext(ctx)
	group.Go(func() error { return h.shown.run(inner) })
	group.Go(func() error {
		if err := setUp(inner, engine, h.Log); err != nil {
			return err
		}
		group.Go(func() error { return h.dispatch(inner, h.Log) })
		group.Go(func() error { return seen.Follow(inner) })
		if h.secret != nil {
			group.Go(func() error { return webhook.New(h.Service, h.secret, h.Log).Run(inner) })
		}
		return nil
	})
	err := group.Wait()
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was asked to stop
	}
	return err
}

// setUp makes the streams, which takes some seconds until the servers of a new cluster have found
// each other.
func setUp(ctx context.Context, engine *queue.JetStream, log *slog.Logger) error {
	log.Info("preparing the queue")
	if err := engine.Setup(ctx); err != nil {
		return err
	}
	log.Info("the queue is ready")
	return nil
}
