package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/metrics"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/serve"
	"github.com/declip/declip/internal/serve/webhook"
)

// serveJobsOptions are the flags of "declip serve" about jobs.
type serveJobsOptions struct {
	jobsOptions
	quota   int
	tenants string
	secret  string
}

// defaultQuota is how many pictures of unfinished jobs a tenant of a server may have.
const defaultQuota = 10_000_000

// AddFlags declares the flags with their defaults.
func (o *serveJobsOptions) AddFlags(f *pflag.FlagSet) {
	section(f, "Jobs", func(f *pflag.FlagSet) {
		f.StringVar(&o.dir, "jobs", "", "take jobs of many pictures and work on them here: `directory` with the queue and the store, created if needed")
		o.nats.AddFlags(f)
		f.Lookup("nats").Usage = "take jobs for workers on other machines: `URL` of the queue's servers, such as tls://head:4222; several separated by commas"
		f.Lookup("tls-cert").Usage = "`file` with the certificate that is shown to the queue's servers (PEM)"
		f.Lookup("tls-ca").Usage = "`file` with the certificates that sign those of the queue's servers (PEM)"
		f.Lookup("insecure").Usage = "permit connections to the queue's servers without TLS"
		f.StringVar(&o.store, "store", "", "`URL` of the store that goes with --nats, such as s3://bucket/prefix or file:///srv/declip")
		addSourceFlag(f, &o.sources)
		f.StringVar(&o.tenant, "tenant", jobs.DefaultTenant, "whose jobs those of requests with the token of --token-file are, and those without a token")
		f.StringVar(&o.tenants, "tenants", "", "`file` of further tokens, each of a tenant with jobs of its own: on each line a name and a token")
		addWebhookFlag(f, &o.secret)
		f.IntVar(&o.quota, "quota", defaultQuota, "pictures of unfinished jobs that each tenant may have, 0 for any number; a job that exceeds it gets status 429")
	})
}

// on reports whether the server takes jobs.
func (o *serveJobsOptions) on() bool { return o.dir != "" || o.nats.url != "" }

func (o *serveJobsOptions) check(cmd *cobra.Command) error {
	if !o.on() {
		for _, name := range []string{"store", "source", "tenants", "tenant", webhookFlag, "quota", "creds", "tls-cert", "tls-key", "tls-ca", "insecure"} {
			if cmd.Flags().Changed(name) {
				return usagef(cmd, "--%s is about jobs: it goes with --jobs or --nats", name)
			}
		}
		return nil
	}
	switch {
	case o.dir != "" && o.nats.url != "":
		return usagef(cmd, "--jobs keeps a queue here and --nats names another one: expected one of them")
	case len(o.sources) == 0:
		return usagef(cmd, "--source is missing: jobs name pictures by their keys in a source")
	case o.quota < 0:
		return usagef(cmd, "--quota %d: expected 0 or more", o.quota)
	}
	return o.jobsOptions.check(cmd)
}

// servedJobs are the jobs of a server, and what works on them in this process.
type servedJobs struct {
	*jobsHome
	parts workerParts
	can   map[string]worker.Work // nil: workers on other machines do it
	hooks *webhook.Sender        // nil: no webhooks are sent
	seen  *metrics.Queue
}

// openServedJobs opens the queue and the store, and sets the server's jobs in o.config. opened are
// the models of o.models.
func (a *app) openServedJobs(cmd *cobra.Command, o *serveOptions, opened []*localize.Model) (*servedJobs, error) {
	if !o.jobs.on() {
		return nil, nil
	}
	var err error
	if o.config.Tenants, err = readTenants(o.jobs.tenants); err != nil {
		return nil, err
	}
	secret, err := readSecret(o.jobs.secret)
	if err != nil {
		return nil, err
	}
	log := o.config.Log
	counted := metrics.New()
	h, err := a.openJobs(cmd.Context(), o.jobs.jobsOptions, counted, log)
	if err != nil {
		return nil, err
	}
	s := &servedJobs{jobsHome: h, parts: workerParts{
		name:   processName(),
		engine: h.Engine, store: h.Store, sources: maps.Clone(h.Sources), slots: 1, maxBytes: o.config.MaxBytes,
		metrics: counted, log: log,
	}, seen: counted.Queue(h.Engine, log)}
	// Jobs of the command line in the same directory are continued, but no client may name this
	// machine's files.
	delete(h.Sources, localSource)
	h.Quota = o.jobs.quota
	j := &serve.Jobs{Service: h.Service, Tenant: o.jobs.tenant, Models: map[string]serve.JobModel{}, Webhooks: secret != nil, Metrics: counted}
	if secret != nil {
		s.hooks = webhook.New(h.Service, secret, log)
	}
	if h.alone {
		s.can = map[string]worker.Work{}
	}
	for i, text := range o.models {
		name, source := servedName(text)
		m := modelOptions{models: []string{source}, network: o.network, look: o.look}
		model := serve.JobModel{}
		if model.Digest, err = localize.Digest(cmd.Context(), m.models, m.digestOptions()); err != nil {
			return nil, errors.Join(err, h.Close())
		}
		if h.alone {
			model.Class = classOf(opened[i])
			pool, err := queue.PoolName(model.Digest, model.Class)
			if err != nil {
				return nil, errors.Join(err, h.Close())
			}
			s.can[pool] = &localizeWork{model: opened[i], batch: max(1, o.config.MaxBatch)}
		}
		j.Models[name] = model
	}
	o.config.Jobs = j
	return s, nil
}

// run dispatches and works on jobs until ctx ends.
func (s *servedJobs) run(ctx context.Context) error {
	group, ctx := parallel.WithContext(ctx)
	if s.can != nil {
		group.Go(func() error { return s.dispatch(ctx, s.parts.log) })
		group.Go(func() error { return s.parts.work(ctx, s.can) })
	}
	if s.hooks != nil {
		group.Go(func() error { return s.hooks.Run(ctx) })
	}
	group.Go(func() error { return s.seen.Follow(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		return nil
	})
	return group.Wait()
}

// serveWith runs the server, and the jobs next to it if there are any. Both stop when ctx ends, or
// if one of them fails. Batches that are not finished then are continued by the next start.
func (s *servedJobs) serveWith(ctx context.Context, c serve.Config, server func(context.Context) error) error {
	if s == nil {
		return server(ctx)
	}
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	worked := parallel.Go(func() error {
		err := s.run(both)
		cancel(err)
		return err
	})
	late := make(chan struct{})
	defer context.AfterFunc(both, func() {
		const after = 500 * time.Millisecond
		time.AfterFunc(c.Drain+c.Grace+after, func() { close(late) })
	})()
	err := server(both)
	cancel(nil)
	select {
	case jobsErr := <-worked:
		stopped := ctx.Err() != nil || err != nil
		if jobsErr == nil || stopped && (errors.Is(jobsErr, context.Canceled) || errors.Is(jobsErr, context.Cause(ctx))) {
			return err
		}
		return errors.Join(fmt.Errorf("jobs: %w", jobsErr), err)
	case <-late:
		return errors.Join(err, serve.ErrWorking)
	}
}

// webhookFlag names the file that webhooks are signed with.
const webhookFlag = "webhook-secret-file"

func addWebhookFlag(f *pflag.FlagSet, secret *string) {
	f.StringVar(secret, webhookFlag, "", "send the webhooks of jobs that are over, to public addresses only: `file` with the secret that signs them")
}

// readSecret reads the file of --webhook-secret-file; nil without one.
func readSecret(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	secret, err := webhook.ParseSecret(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return secret, nil
}

// readTenants reads the file of --tenants.
func readTenants(file string) (list []serve.Tenant, err error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(data), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) != 2 || queue.CheckToken(words[0]) != nil {
			return nil, fmt.Errorf("%s:%d: expected the name of a tenant, of letters, digits, - and _, and its token", file, i+1)
		}
		list = append(list, serve.Tenant{Name: words[0], Token: words[1]})
	}
	return list, nil
}

// sayJobs prints where jobs come from and go.
func (a *app) sayJobs(o *serveJobsOptions) {
	var names []string
	for _, text := range o.sources {
		name, _, _ := strings.Cut(text, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	where := "in " + quoted(o.dir)
	if o.dir == "" {
		where = "at " + o.nats.url
	}
	fmt.Fprintf(a.stdout, "declip takes jobs of %s, queue %s\n", strings.Join(names, ", "), where)
}
