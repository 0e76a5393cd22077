package queue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/parallel"
)

// ServerOptions say how a server is run in this process. Its zero value but for Dir is a server
// that only this process reaches.
type ServerOptions struct {
	// Dir is where the queue is kept. It is created if it is missing. One process uses it at a time.
	Dir string
	// Listen is the HOST:PORT at which other machines reach the server; "" for none.
	Listen string
	// TLS is required with Listen, unless Insecure is set.
	TLS TLSFiles
	// Users is a file in the format of NATS with one block, authorization, which lists users and what
	// they may do. Without it, a client with a certificate of TLS.CA may do everything.
	Users string
	// Insecure lets the server listen without TLS, or without asking who connects.
	Insecure bool
	// Cluster joins servers. It may be nil.
	Cluster *ClusterOptions
	// Log gets the server's messages. It may be nil.
	Log *slog.Logger
}

// ClusterOptions say how a server finds the others of its cluster.
type ClusterOptions struct {
	Name   string   // of the cluster
	Server string   // the server's own name, another one for each
	Listen string   // HOST:PORT for the other servers
	Peers  []string // HOST:PORT of all servers
	// TLS is between servers: both sides show certificates of TLS.CA. It is required, unless
	// ServerOptions.Insecure is set.
	TLS TLSFiles
}

// TLSFiles are PEM files.
type TLSFiles struct {
	Cert, Key string // what this side shows
	// CA has the certificates that the other side's must be signed by. On a server, the clients must
	// show one then; a client takes the system's otherwise.
	CA string
}

// Server is a NATS server in this process.
type Server struct {
	server *server.Server
	lock   *os.File
	own    nkeys.KeyPair // of the connections of this process; nil if no users are listed
	work   parallel.Group
}

// startTime is how long a server may take to start.
const startTime = 30 * time.Second

// StartServer starts a server, which runs until Close.
func StartServer(ctx context.Context, o ServerOptions) (*Server, error) {
	options, own, err := o.nats()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, own: own}
	if s.server, err = server.NewServer(options); err != nil {
		lock.Close()
		return nil, fmt.Errorf("queue server in %s: %w", o.Dir, err)
	}
	log := &serverLog{log: o.Log}
	s.server.SetLoggerV2(log, false, false, false)
	s.work.Go(func() error {
		s.server.Start()
		return nil
	})
	// A cluster answers when its servers have found each other, which is not waited for here.
	for began := time.Now(); !s.server.ReadyForConnections(100 * time.Millisecond); {
		err := context.Cause(ctx)
		if fatal := log.fatal.Load(); fatal != nil {
			err = errors.New(*fatal)
		} else if time.Since(began) > startTime {
			err = fmt.Errorf("not started after %v", startTime)
		}
		if err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("queue server in %s: %w", o.Dir, err)
		}
	}
	if fatal := log.fatal.Load(); fatal != nil {
		_ = s.Close()
		return nil, fmt.Errorf("queue server in %s: %s", o.Dir, *fatal)
	}
	return s, nil
}

// Close stops the server. What it has stored stays.
func (s *Server) Close() error {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	err := s.work.Wait()
	return errors.Join(err, s.lock.Close())
}

// Addr is where the server listens; nil if it does not.
func (s *Server) Addr() net.Addr { return s.server.Addr() }

// lockDir keeps other processes from using a directory: the server itself does not.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "queue.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := files.LockExclusive(f); {
	case errors.Is(err, files.ErrLocked):
		f.Close()
		return nil, fmt.Errorf("queue in %s: %w", dir, ErrBusy)
	case err != nil && !errors.Is(err, files.ErrNoLocks):
		f.Close()
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return f, nil
}

// nats gives the options of the server library, and the key of the process's own connections if
// users are listed.
func (o ServerOptions) nats() (*server.Options, nkeys.KeyPair, error) {
	if o.Dir == "" {
		return nil, nil, fmt.Errorf("queue server: %w: no directory", ErrInvalid)
	}
	n := &server.Options{
		StoreDir: o.Dir, JetStream: true,
		// What the server would take of a nearly full disk is too little for its streams to be made.
		JetStreamMaxStore: 1 << 40, JetStreamMaxMemory: 1 << 30,
		// Without it, a power failure loses whole streams, and leaves consumers that are stuck.
		SyncAlways: true,
		DontListen: o.Listen == "", NoSigs: true, MaxPayload: 1 << 20, DisableJetStreamBanner: true,
		PingInterval: 20 * time.Second, MaxPingsOut: 2,
	}
	if o.Listen != "" {
		if err := o.listen(n); err != nil {
			return nil, nil, err
		}
	}
	if o.Cluster != nil {
		if err := o.cluster(n); err != nil {
			return nil, nil, err
		}
	}
	if o.Users == "" {
		return n, nil, nil
	}
	own, err := o.users(n)
	return n, own, err
}

// listen opens the server to other machines.
func (o ServerOptions) listen(n *server.Options) (err error) {
	if n.Host, n.Port, err = hostPort(o.Listen); err != nil {
		return err
	}
	switch {
	case o.TLS.Cert == "" && !o.Insecure:
		return fmt.Errorf("listening at %s: %w: a certificate and its key are needed (--tls-cert, --tls-key), or --insecure", o.Listen, ErrInvalid)
	case o.TLS.CA == "" && o.Users == "" && !o.Insecure:
		return fmt.Errorf("listening at %s: %w: who may connect? Give a file of users, a CA of client certificates, or --insecure",
			o.Listen, ErrInvalid)
	case o.TLS.Cert == "":
		return nil
	}
	if n.TLSConfig, err = o.TLS.server(); err != nil {
		return err
	}
	n.TLS, n.TLSVerify, n.TLSTimeout = true, o.TLS.CA != "", 5
	return nil
}

// cluster joins the server to others.
func (o ServerOptions) cluster(n *server.Options) (err error) {
	c := o.Cluster
	if c.Name == "" || c.Server == "" || len(c.Peers) == 0 {
		return fmt.Errorf("queue server: %w: a cluster needs its name, the server's name, and the servers' addresses", ErrInvalid)
	}
	n.ServerName, n.Cluster.Name = c.Server, c.Name
	if n.Cluster.Host, n.Cluster.Port, err = hostPort(c.Listen); err != nil {
		return err
	}
	for _, p := range c.Peers {
		if _, _, err := hostPort(p); err != nil {
			return err
		}
		n.Routes = append(n.Routes, &url.URL{Scheme: "nats-route", Host: p})
	}
	if c.TLS.Cert == "" || c.TLS.CA == "" {
		if o.Insecure {
			return nil
		}
		return fmt.Errorf("cluster at %s: %w: a certificate, its key and a CA are needed, or --insecure", c.Listen, ErrInvalid)
	}
	if n.Cluster.TLSConfig, err = c.TLS.server(); err != nil {
		return err
	}
	n.Cluster.TLSConfig.RootCAs, n.Cluster.TLSTimeout = n.Cluster.TLSConfig.ClientCAs, 5
	return nil
}

func hostPort(text string) (host string, port int, err error) {
	host, number, err := net.SplitHostPort(text)
	if err == nil {
		port, err = strconv.Atoi(number)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("address %q: %w: expected HOST:PORT", text, ErrInvalid)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}

// server gives the configuration of a side that is connected to. Client certificates are required
// if there is a CA.
func (t TLSFiles) server() (*tls.Config, error) {
	c, err := t.common()
	if err != nil {
		return nil, err
	}
	if t.CA != "" {
		if c.ClientCAs, err = readCA(t.CA); err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// client gives the configuration of the side that connects.
func (t TLSFiles) client() (c *tls.Config, err error) {
	if c, err = t.common(); err == nil && t.CA != "" {
		c.RootCAs, err = readCA(t.CA)
	}
	return c, err
}

func (t TLSFiles) common() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if t.Cert == "" && t.Key == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", t.Cert, t.Key, err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

func readCA(name string) (*x509.CertPool, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: %w: no certificate in PEM", name, ErrInvalid)
	}
	return pool, nil
}
