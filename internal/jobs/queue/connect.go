package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// ConnectOptions say how servers are connected to.
type ConnectOptions struct {
	// URL is nats://HOST:PORT or tls://HOST:PORT, or several of them separated by commas. It must not
	// have credentials.
	URL string
	// Creds is a file with a user's JWT and seed, or with the seed of an NKey. It may be "".
	Creds string
	// TLS is what is shown to servers, and what theirs must be signed by.
	TLS TLSFiles
	// Insecure permits a connection without TLS.
	Insecure bool
	// Name is how servers and their logs call the connection.
	Name string
	// Worker is set for credentials that may only do what a worker has to: see
	// docs/jobs/worker-permissions.conf.
	Worker bool
	// InboxPrefix begins the subjects of answers, for credentials that may listen to no others. "" is
	// the usual one.
	InboxPrefix string
	// Copies is on how many servers streams are kept: 0 for as many as they are, and when they are
	// made, three in a cluster and one otherwise.
	Copies int
	Hooks  Hooks
	Log    *slog.Logger
}

// Connect connects to servers. It fails if none answers until ctx ends, or within 10 seconds. Later
// the connection is made again whenever it is lost.
func Connect(ctx context.Context, o ConnectOptions) (*JetStream, error) {
	options, err := o.nats()
	if err != nil {
		return nil, err
	}
	s := settings{hooks: o.Hooks, log: o.Log, copies: o.Copies, worker: o.Worker, prefix: o.InboxPrefix}
	return connect(ctx, o.URL, options, s, nil)
}

// Start starts an embedded queue in a directory: a server that only this process reaches, with its
// streams. Close stops it.
func Start(ctx context.Context, dir string, hooks Hooks, log *slog.Logger) (*JetStream, error) {
	return start(ctx, ServerOptions{Dir: dir, Log: log}, settings{hooks: hooks, log: log})
}

func start(ctx context.Context, o ServerOptions, s settings) (*JetStream, error) {
	server, err := StartServer(ctx, o)
	if err != nil {
		return nil, err
	}
	e, err := server.connect(ctx, s, server)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	if err := e.Setup(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Connect connects this process to its server, with all permissions.
func (s *Server) Connect(ctx context.Context, copies int, hooks Hooks, log *slog.Logger) (*JetStream, error) {
	return s.connect(ctx, settings{hooks: hooks, log: log, copies: copies}, nil)
}

func (s *Server) connect(ctx context.Context, set settings, owner io.Closer) (*JetStream, error) {
	set.own = true
	options := []nats.Option{nats.InProcessServer(s.server), nats.Name("declip")}
	if s.own != nil {
		public, err := s.own.PublicKey()
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Nkey(public, s.own.Sign))
	}
	return connect(ctx, "", options, set, owner)
}

// connectTime is how long the first connection may take.
const connectTime = 10 * time.Second

// connect makes a connection. owner, if set, is closed with it.
func connect(ctx context.Context, address string, options []nats.Option, s settings, owner io.Closer) (*JetStream, error) {
	s = s.withDefaults()
	var e *JetStream
	ready := make(chan struct{}) // e is set
	handle := func(f func()) {
		if <-ready; e != nil {
			f()
		}
	}
	options = append(options,
		nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(50*time.Millisecond, 200*time.Millisecond),
		nats.PingInterval(2*time.Second), nats.MaxPingsOutstanding(2), nats.Timeout(3*time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { handle(func() { e.failed(err) }) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err == nil {
				err = nats.ErrDisconnected
			}
			handle(func() { e.connected(err) })
		}),
		nats.ReconnectHandler(func(*nats.Conn) { handle(func() { e.connected(nil) }) }),
	)
	options = append(options, nats.CustomInboxPrefix(s.prefix))
	conn, err := dial(ctx, address, options)
	if err != nil {
		close(ready)
		return nil, err
	}
	e, err = newJetStream(conn, s, owner)
	close(ready)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return e, nil
}

// dial connects, again until ctx ends while no server answers.
func dial(ctx context.Context, address string, options []nats.Option) (*nats.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	for {
		conn, err := nats.Connect(address, options...)
		switch {
		case err == nil:
			return conn, nil
		case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
			return nil, fmt.Errorf("queue at %s: %w: %w", address, ErrDenied, err)
		case errors.Is(err, nats.ErrSecureConnRequired):
			return nil, fmt.Errorf("queue at %s: %w: its servers require TLS", address, err)
		case errors.Is(err, nats.ErrSecureConnWanted):
			return nil, fmt.Errorf("queue at %s: %w: its servers have no TLS, and connections without it need --insecure", address, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("queue at %s: %w: %w", address, ErrUnavailable, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// failed takes errors that belong to no request.
func (e *JetStream) failed(err error) {
	subject, subscription, ok := violation(err)
	if !ok {
		e.settings.log.Warn("queue connection", slog.Any("error", err))
		return
	}
	e.settings.log.Warn("the queue's servers deny a request", slog.String("subject", subject))
	if e.settings.hooks.Denied != nil {
		e.settings.hooks.Denied(subject)
	}
	switch {
	case !subscription:
		e.calls.deny(subject)
	case strings.HasPrefix(subject, e.settings.prefix):
		e.calls.denyAnswers(subject)
	}
}

// connected handles that the connection was lost, with its error, or made again.
func (e *JetStream) connected(err error) {
	if e.life.Err() != nil { // it was closed
		return
	}
	if err != nil {
		e.settings.log.Warn("connection to the queue lost", slog.Any("error", err))
	} else {
		e.settings.log.Info("connected to the queue again", slog.String("server", e.conn.ConnectedServerName()))
	}
	if e.settings.hooks.Connected != nil {
		e.settings.hooks.Connected(err)
	}
}

// nats gives the options of the client library.
func (o ConnectOptions) nats() ([]nats.Option, error) {
	secure := !o.Insecure
	for text := range strings.SplitSeq(o.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return nil, fmt.Errorf("queue URL: %w: expected nats://HOST:PORT or tls://HOST:PORT", ErrInvalid)
		}
		if u.User != nil {
			return nil, fmt.Errorf("queue URL %s: %w: a URL must not have credentials, use a file", u.Redacted(), ErrInvalid)
		}
		secure = secure || u.Scheme == "tls"
	}
	options := []nats.Option{nats.Name(o.Name)}
	if secure || o.TLS != (TLSFiles{}) {
		c, err := o.TLS.client()
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(c))
	}
	if o.Creds == "" {
		return options, nil
	}
	auth, err := credentials(o.Creds)
	if err != nil {
		return nil, err
	}
	return append(options, auth), nil
}

// credentials reads a file of either form.
func credentials(name string) (nats.Option, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(data, []byte("NATS USER JWT")) {
		return nats.UserCredentials(name), nil
	}
	option, err := nats.NkeyOptionFromSeed(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: expected the JWT and seed of a user, or a seed: %w", name, ErrInvalid, err)
	}
	return option, nil
}

// sorted lists the keys of a map.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
