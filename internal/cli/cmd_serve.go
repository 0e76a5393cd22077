package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/serve"
)

// serveOptions are the flags of "declip serve".
type serveOptions struct {
	models    []string
	network   networkOptions
	look      lookOptions
	engine    engineOptions
	addr      string
	tokenFile string
	log       string
	maxBytes  byteSize
	memory    byteSize
	hosts     []string
	jobs      serveJobsOptions
	config    serve.Config
	alive     bool // only ask a running server
}

// AddFlags declares the flags with their defaults.
func (o *serveOptions) AddFlags(f *pflag.FlagSet) {
	d := serve.DefaultConfig()
	c := &o.config
	*c = d
	section(f, "Address and access", func(f *pflag.FlagSet) {
		f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address and port to listen on; port 0 chooses a free one")
		f.StringVar(&o.tokenFile, "token-file", "", "`file` with a token that clients must send as \"Authorization: Bearer TOKEN\" (default: $DECLIP_TOKEN; if neither is set, no token)")
		f.StringArrayVar(&c.Origins, "cors", nil, "`origin`, such as https://example.org, whose pages may call the service; repeatable, \"*\" for any")
		f.StringArrayVar(&o.hosts, "allow-host", nil, "`host` name, or HOST:PORT, that requests may be addressed to; repeatable (default: localhost on a loopback address, otherwise any)")
		f.StringVar(&c.PublicURL, "public-url", "", "`URL` under which clients reach the service, for links to maps, such as https://example.org/declip (default: links are paths, behind X-Forwarded-Prefix if a proxy sends it)")
		f.BoolVar(&c.Fetch, "allow-fetch", false, "let requests name a picture by URL, on public addresses only")
		f.BoolVar(&o.alive, "check", false, "do not serve: check that the server at --addr is alive (exit code 0) or not (1)")
	})
	section(f, "Models", func(f *pflag.FlagSet) {
		f.StringArrayVarP(&o.models, "model", "m", []string{models.Default},
			"`model` as for localize, or NAME=MODEL to serve it as NAME; repeatable, the first one is the default")
		o.network.AddFlags(f)
		o.look.AddFlags(f)
		o.engine.AddFlags(f)
		f.Float64Var(&c.Threshold, "threshold", d.Threshold, "probability above which a pixel counts as manipulated, unless a request sets its own")
	})
	o.jobs.AddFlags(f)
	section(f, "Limits", func(f *pflag.FlagSet) { o.addLimits(f, d) })
	section(f, "Storage and log", func(f *pflag.FlagSet) {
		f.StringVar(&c.Archive, "keep", "", "`directory` to store pictures and results in (default: nothing is stored)")
		f.DurationVar(&c.LinkTTL, "link-ttl", d.LinkTTL, "time for which links to maps are valid")
		f.StringVar(&o.log, "log", logText, "log of requests on standard error: text, json or off")
	})
}

// addLimits declares the limits on requests, with the defaults d.
func (o *serveOptions) addLimits(f *pflag.FlagSet, d serve.Config) {
	c := &o.config
	o.maxBytes = byteSize(d.MaxBytes)
	f.Var(&o.maxBytes, "max-bytes", "refuse larger picture files")
	addMaxPixelsFlag(f, &c.MaxPixels, d.MaxPixels)
	f.IntVar(&c.MaxPictures, "max-pictures", d.MaxPictures, "pictures in one request to /v1/batch")
	f.DurationVar(&c.Timeout, "timeout", d.Timeout, "time for a request, from its headers to its response")
	f.IntVar(&c.Queue, "queue", d.Queue, "pictures that may wait for each model; further ones get status 429 at once")
	f.IntVar(&c.MaxBatch, "max-batch", 0, "pictures that go through a model together (default: 1 on a CPU and for models that run in tiles, otherwise 8)")
	f.DurationVar(&c.MaxWait, "max-wait", d.MaxWait, "time for which the first picture of a batch waits for others")
	f.Var(&o.memory, "memory", "memory for pictures, in addition to the models (default: the need of pictures of --max-pixels, at least 2GiB)")
	f.IntVar(&c.MaxConns, "max-conns", d.MaxConns, "connections open at once")
	f.DurationVar(&c.Drain, "drain", d.Drain, "time after SIGTERM or Ctrl-C for which requests are still taken while /readyz says no, so that a load balancer turns away")
	f.DurationVar(&c.Grace, "grace", d.Grace, "time for requests in progress after SIGTERM or Ctrl-C")
}

func (o *serveOptions) check(cmd *cobra.Command) error {
	if o.log != logText && o.log != logJSON && o.log != logOff {
		return usagef(cmd, "--log %q: expected text, json or off", o.log)
	}
	if err := checkThreshold(cmd, o.config.Threshold); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return usagef(cmd, "--addr %q: expected HOST:PORT: %w", o.addr, err)
	}
	if err := o.jobs.check(cmd); err != nil {
		return err
	}
	o.config.Hosts = servedHosts(host, o.hosts)
	o.config.MaxBytes, o.config.Memory = int64(o.maxBytes), int64(o.memory)
	if o.memory == 0 {
		o.config.Memory = o.config.DefaultMemory()
	}
	if err := o.config.Validate(); err != nil {
		return usagef(cmd, "%w", err)
	}
	return checkThreads(cmd, o.engine.threads)
}

// servedHosts are the host names that requests may be addressed to; nil allows any. Another name
// that leads to a loopback address is an attack (DNS rebinding).
func servedHosts(host string, more []string) []string {
	ip := net.ParseIP(host)
	if len(more) == 0 && !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback()) {
		return nil
	}
	return append([]string{"localhost"}, more...)
}

// serveHelp is the long help of "declip serve".
const serveHelp = `Load models once and serve them over HTTP: a web page at / for people, and for
programs

  POST /v1/localize   a picture as the body, or as field "image" of a form
  POST /v1/batch      several pictures as fields "image" of a form
  POST /v1/jobs       a list of pictures of any length, with --jobs or --nats
  GET  /v1/models     the models and the limits
  GET  /healthz, /readyz, /metrics, /openapi.yaml

/openapi.yaml describes requests and responses.

The server listens on localhost unless --addr is set; in that case use a token
(--token-file) and a reverse proxy with TLS. The server opens no path or URL that
a request names (unless --allow-fetch is set), stores nothing (unless --keep is
set), and logs nothing derived from the pictures.

The load is bounded: pictures wait in a queue for each model, and a request that
finds the queue full gets status 429 with Retry-After at once. SIGTERM and Ctrl-C
stop the server after the requests in progress, or after --grace.

With --jobs the server also takes jobs: lists of any number of pictures in its
sources (--source), which it works on between requests. With --nats it hands them
to workers on other machines. docs/jobs.md describes both.

With --check the command starts no server. It requests /healthz from the server
at --addr and exits with 0 if that is alive, otherwise with 1, as health checks
of containers need it.`

func (a *app) newServe() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Serve models over HTTP, with a web page",
		Long:  serveHelp,
		Example: `  declip serve
  declip serve --addr 0.0.0.0:8080 --token-file token.txt -m lite -m ldm=declip-vit-ldm
  declip serve --check --addr 127.0.0.1:8080
  curl --data-binary @photo.jpg 'http://127.0.0.1:8080/v1/localize?maps=none'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.alive {
				return a.runServeCheck(cmd, o.addr)
			}
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.runServe(cmd, o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runServe(cmd *cobra.Command, o serveOptions) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(o.config.Memory) // collects garbage more often near the limit
	}
	var err error
	if o.config.Token, err = readToken(o.tokenFile); err != nil {
		return err
	}
	if o.config.Archive != "" {
		// For the server's user only. The mode of a directory that exists is the operator's choice.
		if err := os.MkdirAll(o.config.Archive, 0o700); err != nil {
			return fmt.Errorf("--keep: %w", err)
		}
		if err := writableDir(o.config.Archive); err != nil {
			return err
		}
	}
	o.config.Version = version()
	o.config.Log, o.config.Dropped = a.newLog(o.log)
	// Before the models are opened, in case the address is in use.
	listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", o.addr)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	defer listener.Close()
	models, opened, closeModels, err := a.openServed(cmd, o)
	defer func() {
		if !errors.Is(err, serve.ErrWorking) { // otherwise the end of the process closes them
			closeModels()
		}
	}()
	if err != nil {
		return err
	}
	work, err := a.openServedJobs(cmd, &o, opened)
	if err != nil {
		return err
	}
	if work != nil {
		defer work.Close()
	}
	server, err := serve.New(o.config, models)
	if err != nil {
		return err
	}
	a.noticeLimits(o.config)
	a.greet(listener.Addr(), o, models)
	err = work.serveWith(cmd.Context(), o.config, func(ctx context.Context) error { return server.Serve(ctx, listener) })
	return err
}

// asGiven is the address of a listener with the host as it was given: the system calls 0.0.0.0 by
// another name.
func asGiven(addr net.Addr, given string) string {
	host, _, errGiven := net.SplitHostPort(given)
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil || errGiven != nil || host == "" {
		return addr.String()
	}
	return net.JoinHostPort(host, port)
}

// greet prints the address of the server.
func (a *app) greet(addr net.Addr, o serveOptions, models []serve.Model) {
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	fmt.Fprintf(a.stdout, "declip serves %s at http://%s\n", strings.Join(names, ", "), asGiven(addr, o.addr))
	if o.jobs.on() {
		a.sayJobs(&o.jobs)
	}
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && o.config.Token == "" && len(o.config.Tenants) == 0 {
		fmt.Fprintln(a.stderr, "declip: anyone who can reach this address can use the server: set --token-file to require a token")
	}
}

// openServed opens the models, which are those of opened. closeAll closes those that were opened,
// also after an error.
func (a *app) openServed(cmd *cobra.Command, o serveOptions) (models []serve.Model, opened []*localize.Model, closeAll func(), err error) {
	closeAll = func() {
		for _, m := range opened {
			m.Close()
		}
	}
	for _, text := range o.models {
		name, source := servedName(text)
		model, err := a.open(cmd, modelOptions{models: []string{source}, network: o.network, look: o.look, engine: o.engine}, localize.Options{Threshold: o.config.Threshold})
		if err != nil {
			return nil, opened, closeAll, err
		}
		opened = append(opened, model)
		if err := warmUp(cmd.Context(), model); err != nil {
			return nil, opened, closeAll, fmt.Errorf("model %s: %w", name, err)
		}
		described, err := describeServed(name, source, model)
		if err != nil {
			return nil, opened, closeAll, fmt.Errorf("model %s: %w", name, err)
		}
		models = append(models, described)
	}
	return models, opened, closeAll, nil
}

// servedName splits NAME=MODEL. The name of a model without NAME is that of its file.
func servedName(text string) (name, source string) {
	if _, err := os.Stat(text); err == nil { // the file's own name may hold an equals sign
		return models.Base(text), text
	}
	if name, source, ok := strings.Cut(text, "="); ok && name != "" && !strings.ContainsAny(name, `/\`) {
		return name, source
	}
	return models.Base(text), text
}

// readToken reads the token from a file or from the environment. There is no flag for the token
// itself, because the list of processes shows the command line to everyone.
func readToken(file string) (string, error) {
	if file == "" {
		token, set := os.LookupEnv("DECLIP_TOKEN")
		if token = strings.TrimSpace(token); set && token == "" {
			return "", errors.New("DECLIP_TOKEN is empty: unset it or set it to a token")
		}
		return token, nil
	}
	data, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("token file %s: expected one word", file)
	}
	return token, nil
}

// warmUp runs a small picture, so that a broken model is found before the first request, and the
// first request does not wait for loading.
func warmUp(ctx context.Context, model *localize.Model) error {
	_, err := model.Localize(ctx, warmPicture())
	return err
}
