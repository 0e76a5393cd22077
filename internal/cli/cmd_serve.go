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
	engine    engineOptions
	addr      string
	tokenFile string
	log       string
	maxBytes  size
	memory    size
	hosts     []string
	config    serve.Config
	alive     bool // only ask a running server
}

// AddFlags declares the flags with their defaults.
func (o *serveOptions) AddFlags(f *pflag.FlagSet) {
	d := serve.DefaultConfig()
	o.config = d
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address and port to listen at; port 0 takes a free one")
	f.StringArrayVarP(&o.models, "model", "m", []string{models.Default},
		"model, as for localize, or NAME=MODEL to call it NAME; repeatable, the first is the default")
	o.network.AddFlags(f)
	o.engine.AddFlags(f)
	f.Float64Var(&o.config.Threshold, "threshold", d.Threshold, "probability above which a pixel counts as manipulated, unless a request says otherwise")

	o.maxBytes = size(d.MaxBytes)
	f.Var(&o.maxBytes, "max-bytes", "refuse larger picture files")
	f.Int64Var(&o.config.MaxPixels, "max-pixels", d.MaxPixels, "refuse larger pictures (width times height) by their header")
	f.IntVar(&o.config.MaxPictures, "max-pictures", d.MaxPictures, "pictures in one request to /v1/batch")
	f.DurationVar(&o.config.Timeout, "timeout", d.Timeout, "time for a request, from its headers to its answer")
	f.IntVar(&o.config.Queue, "queue", d.Queue, "pictures that may wait for each model; others are answered 429 at once")
	f.IntVar(&o.config.MaxBatch, "max-batch", 0, "pictures that go through a model together (default: 1 on a CPU and for models that look at tiles, else 8)")
	f.DurationVar(&o.config.MaxWait, "max-wait", d.MaxWait, "how long the first picture of a batch waits for others")
	f.Var(&o.memory, "memory", "memory for pictures, beside the models (default: what pictures of --max-pixels need, at least 2GiB)")
	f.IntVar(&o.config.MaxConns, "max-conns", d.MaxConns, "connections that are open at once")
	f.DurationVar(&o.config.Grace, "grace", d.Grace, "time for requests under way after SIGTERM or Ctrl-C")

	f.StringVar(&o.tokenFile, "token-file", "", "file with a token that clients must send as \"Authorization: Bearer TOKEN\" (default: $DECLIP_TOKEN; neither: none)")
	f.StringArrayVar(&o.config.Origins, "cors", nil, "origin, as https://example.org, whose pages may call the service; repeatable, \"*\" for any")
	f.StringArrayVar(&o.hosts, "allow-host", nil, "host name that requests may be addressed to; repeatable (default: on loopback localhost, elsewhere any)")
	f.BoolVar(&o.config.Fetch, "allow-fetch", false, "let requests name a picture by URL, on public addresses only")
	f.StringVar(&o.config.Archive, "keep", "", "folder to keep pictures and results in (default: nothing is stored)")
	f.DurationVar(&o.config.LinkTTL, "link-ttl", d.LinkTTL, "how long links to maps are good")
	f.BoolVar(&o.alive, "check", false, "only ask the server that runs at --addr whether it is alive: exit code 0 if it is, else 1")
	f.StringVar(&o.log, "log", "text", "log of requests on standard error: text, json or off")
}

func (o *serveOptions) check(cmd *cobra.Command) error {
	switch {
	case o.log != "text" && o.log != "json" && o.log != "off":
		return usagef(cmd, "--log %q: expected text, json or off", o.log)
	case !(o.config.Threshold > 0 && o.config.Threshold < 1):
		return usagef(cmd, "--threshold %g: expected a number between 0 and 1, both excluded", o.config.Threshold)
	}
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return usagef(cmd, "--addr %q: expected HOST:PORT: %w", o.addr, err)
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

// servedHosts are the names that requests may be addressed to. On a loopback
// address nobody else's name leads here but by a trick.
func servedHosts(host string, more []string) []string {
	ip := net.ParseIP(host)
	if len(more) == 0 && !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback()) {
		return nil
	}
	return append([]string{"localhost"}, more...)
}

func (a *app) newServe() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve [flags]",
		Short: "Answer over HTTP, with a web page",
		Long: `Load models once and answer over HTTP: a web page at / for people, and for
programs

  POST /v1/localize   a picture as the body, or as field "image" of a form
  POST /v1/batch      several pictures as fields "image" of a form
  GET  /v1/models     the models and the limits
  GET  /healthz, /readyz, /metrics, /openapi.yaml

/openapi.yaml describes requests and answers.

The server listens on this machine alone unless --addr says otherwise; then think
of a token (--token-file) and of a reverse proxy that speaks TLS. It opens no path
or URL that a request names (but see --allow-fetch), stores nothing (but see
--keep), and its log holds nothing of the pictures.

Work is bounded: pictures wait in a queue for each model, and what finds no place
there is answered 429 with Retry-After at once. SIGTERM and Ctrl-C end the server
when the requests under way are answered, or after --grace.

With --check the command starts no server. It asks the one that runs at --addr
for /healthz and exits with 0 if it is alive, else with 1: a health check for
containers.`,
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
		debug.SetMemoryLimit(o.config.Memory) // near it collect more often than is fast
	}
	var err error
	if o.config.Token, err = readToken(o.tokenFile); err != nil {
		return err
	}
	if o.config.Archive != "" {
		if err := writableFolder(o.config.Archive); err != nil {
			return err
		}
	}
	o.config.Log, o.config.Version = a.newLog(o.log), version()
	listener, err := net.Listen("tcp", o.addr) // before models are loaded: an address in use is soon told
	if err != nil {
		return err
	}
	defer listener.Close()
	models, closeModels, err := a.openServed(cmd, o)
	defer closeModels()
	if err != nil {
		return err
	}
	server, err := serve.New(o.config, models)
	if err != nil {
		return err
	}
	a.greet(listener.Addr(), o, models)
	return server.Serve(cmd.Context(), listener)
}

// greet says where the server is found.
func (a *app) greet(addr net.Addr, o serveOptions, models []serve.Model) {
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	fmt.Fprintf(a.stdout, "declip serves %s at http://%s\n", strings.Join(names, ", "), addr)
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && o.config.Token == "" {
		fmt.Fprintln(a.stderr, "declip: anyone who reaches this address can use the server: --token-file asks for a token")
	}
}

// openServed opens the models. What was opened is closed by closeAll, also after
// an error.
func (a *app) openServed(cmd *cobra.Command, o serveOptions) (models []serve.Model, closeAll func(), err error) {
	var opened []*localize.Model
	closeAll = func() {
		for _, m := range opened {
			m.Close()
		}
	}
	for _, text := range o.models {
		name, source := servedName(text)
		model, err := a.open(cmd, modelOptions{models: []string{source}, network: o.network, engine: o.engine}, localize.Options{Threshold: o.config.Threshold})
		if err != nil {
			return nil, closeAll, err
		}
		opened = append(opened, model)
		if err := warmUp(cmd.Context(), model); err != nil {
			return nil, closeAll, fmt.Errorf("model %s: %w", name, err)
		}
		models = append(models, describeServed(name, source, model))
	}
	return models, closeAll, nil
}

// servedName splits NAME=MODEL; a model without a name is called as its file is.
func servedName(text string) (name, source string) {
	if _, err := os.Stat(text); err == nil { // the file's own name may hold an equals sign
		return models.Base(text), text
	}
	if name, source, ok := strings.Cut(text, "="); ok && name != "" && !strings.ContainsAny(name, `/\`) {
		return name, source
	}
	return models.Base(text), text
}

// readToken reads the token from a file, or from the environment: the list of
// processes shows the command line to everybody.
func readToken(file string) (string, error) {
	if file == "" {
		token, set := os.LookupEnv("DECLIP_TOKEN")
		if token = strings.TrimSpace(token); set && token == "" {
			return "", errors.New("DECLIP_TOKEN is empty: unset it, or give a token")
		}
		return token, nil
	}
	data, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("token file %s: expected one word", file)
	}
	return token, nil
}

// warmUp runs a small picture, so that what is wrong with a model is found before
// a client finds it, and the first client does not wait for the loading.
func warmUp(ctx context.Context, model *localize.Model) error {
	_, err := model.Localize(ctx, warmPicture())
	return err
}
