package queue

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/declip/declip/internal/jobs/queue/queuetest"
)

// authority makes certificates for 127.0.0.1.
type authority struct{ *queuetest.Authority }

func newAuthority(t *testing.T) *authority {
	t.Helper()
	return &authority{queuetest.NewAuthority(t)}
}

// files are those of a side with a certificate of its own.
func (a *authority) files(name string) TLSFiles {
	cert, key := a.Files(name)
	return TLSFiles{Cert: cert, Key: key, CA: a.CA()}
}

// serveTLS starts a server that listens, which is closed with the test, and gives its URL.
func serveTLS(t *testing.T, o ServerOptions) (*Server, string) {
	t.Helper()
	o.Dir, o.Listen, o.Log = t.TempDir(), "127.0.0.1:0", testLog(t)
	s, err := StartServer(t.Context(), o)
	no(t, err)
	t.Cleanup(func() { no(t, s.Close()) })
	return s, "nats://" + s.Addr().String()
}

// connected connects, and closes the connection with the test.
func connected(t *testing.T, o ConnectOptions) *JetStream {
	t.Helper()
	o.Log = testLog(t)
	e, err := Connect(t.Context(), o)
	no(t, err)
	t.Cleanup(func() { no(t, e.Close()) })
	return e
}

// refused fails if a connection is made.
func refused(t *testing.T, o ConnectOptions) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	e, err := Connect(ctx, o)
	if err == nil {
		e.Close()
		t.Fatal("the connection was made")
	}
	return err
}

// Only TLS 1.3 with a certificate of the CA gets through, and the server must show one, too.
func TestTLS(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	server := a.files("server")
	s, url := serveTLS(t, ServerOptions{TLS: server})
	own, err := s.Connect(t.Context(), 0, Hooks{}, testLog(t))
	no(t, err)
	defer own.Close()
	no(t, own.Setup(t.Context()))
	good := ConnectOptions{URL: url, TLS: a.files("client")}
	mustPut(t, connected(t, good), "done.acme.J.0-1")

	without := good
	without.TLS.Cert, without.TLS.Key = "", ""
	strange := good
	strange.TLS = stranger.files("client")
	strange.TLS.CA = a.CA()
	wrongServer := good
	wrongServer.TLS.CA = stranger.CA()
	plain := ConnectOptions{URL: url, Insecure: true}
	for name, o := range map[string]ConnectOptions{
		"no certificate": without, "a stranger's certificate": strange, "a server that is not trusted": wrongServer, "no TLS": plain,
	} {
		t.Run(name, func(t *testing.T) { t.Log(refused(t, o)) })
	}
	c, err := good.TLS.client()
	no(t, err)
	c.MinVersion, c.MaxVersion = 0, 0x303
	if conn, err := nats.Connect(url, nats.Secure(c)); err == nil {
		conn.Close()
		t.Error("TLS 1.2 got through")
	}
}

// A client that wants TLS does not talk to a server without it.
func TestServerWithoutTLS(t *testing.T) {
	_, url := serveTLS(t, ServerOptions{Insecure: true})
	if err := refused(t, ConnectOptions{URL: url}); !errors.Is(err, nats.ErrSecureConnWanted) || !strings.Contains(err.Error(), "need --insecure") {
		t.Fatalf("got %v, expected that there is no TLS, and what to do", err)
	}
	e := connected(t, ConnectOptions{URL: url, Insecure: true})
	if r := inspect(t, e); r.TLS || r.Synced || len(r.Missing) != 8 || len(r.Streams) != 0 {
		t.Errorf("before the queue is set up: %+v", r)
	}
	no(t, e.Setup(t.Context()))
	if r := inspect(t, e); len(r.Missing) != 0 || len(r.Streams) != 8 || r.Streams[0].Copies != 1 {
		t.Errorf("after the queue is set up: %+v", r)
	}
}

// inspect is what an operator sees.
func inspect(t *testing.T, e *JetStream) Report {
	t.Helper()
	r, err := e.Inspect(t.Context())
	no(t, err)
	if r.Server == "" || r.Version == "" || r.RTT <= 0 || len(r.Denied)+len(r.Missing)+len(r.Streams) != 8 {
		t.Errorf("got %+v, expected a server with 8 streams", r)
	}
	return r
}

// Nothing listens by mistake without TLS, or without asking who connects.
func TestServerOptions(t *testing.T) {
	a := newAuthority(t)
	files := a.files("server")
	users := filepath.Join(t.TempDir(), "users.conf")
	no(t, os.WriteFile(users, []byte("authorization { users = [] }"), 0o600))
	more := filepath.Join(t.TempDir(), "more.conf")
	no(t, os.WriteFile(more, []byte("port: 4222\nauthorization { user: a, password: b }"), 0o600))
	open := ClusterOptions{Name: "a", Server: "b", Listen: "127.0.0.1:0", Peers: []string{"127.0.0.1:1"}}
	for name, o := range map[string]ServerOptions{
		"no TLS":             {Listen: "127.0.0.1:0"},
		"no CA and no users": {Listen: "127.0.0.1:0", TLS: TLSFiles{Cert: files.Cert, Key: files.Key}},
		"no address":         {Listen: "127.0.0.1", TLS: files},
		"no port":            {Listen: "127.0.0.1:99999", TLS: files},
		"no certificate":     {Listen: "127.0.0.1:0", TLS: TLSFiles{Cert: users, Key: files.Key, CA: files.CA}},
		"no CA in the file":  {Listen: "127.0.0.1:0", TLS: TLSFiles{Cert: files.Cert, Key: files.Key, CA: users}},
		"a list of no users": {Users: users},
		"more than users":    {Users: more},
		"an open cluster":    {Cluster: &open},
		"half a cluster":     {Cluster: &ClusterOptions{Name: "a"}, Insecure: true},
	} {
		o.Dir = t.TempDir()
		s, err := StartServer(t.Context(), o)
		if err == nil {
			s.Close()
			t.Errorf("%s: the server has started", name)
			continue
		}
		t.Log(err)
		if entries, err := os.ReadDir(o.Dir); err != nil || len(entries) > 0 {
			t.Errorf("%s: the directory has %v, %v", name, entries, err)
		}
	}
	if s, err := StartServer(t.Context(), ServerOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("without a directory: got %v, %v", s, err)
	}
	for _, o := range []ConnectOptions{{}, {URL: "http://127.0.0.1"}, {URL: "nats://user:secret@127.0.0.1"}, {URL: "nats://127.0.0.1", Creds: users}} {
		e, err := Connect(t.Context(), o)
		if !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: got %v, %v", o, e, err)
		}
	}
}

// exampleUsers is docs/jobs/worker-permissions.conf with keys.
func exampleUsers(t *testing.T) (users, dispatcher, worker, trainer string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "jobs", "worker-permissions.conf"))
	no(t, err)
	first, dispatcher := queuetest.UserKey(t)
	second, worker := queuetest.UserKey(t)
	third, trainer := queuetest.UserKey(t)
	users = filepath.Join(t.TempDir(), "users.conf")
	filled := strings.NewReplacer("DISPATCHER_PUBLIC_KEY", first, "WORKER_PUBLIC_KEY", second, "TRAINER_PUBLIC_KEY", third).Replace(string(text))
	no(t, os.WriteFile(users, []byte(filled), 0o600))
	return users, dispatcher, worker, trainer
}

// The documented configuration of a cluster has what the queue depends on.
func TestExampleConfiguration(t *testing.T) {
	a := newAuthority(t)
	users, _, _, _ := exampleUsers(t)
	dir := filepath.Dir(users)
	no(t, os.Rename(users, filepath.Join(dir, "worker-permissions.conf")))
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "jobs", "nats-server.conf"))
	no(t, err)
	files, routes := a.files("queue1"), a.files("queue1-route")
	config := strings.NewReplacer(
		"/etc/nats/queue1.pem", files.Cert, "/etc/nats/queue1.key", files.Key, "/etc/nats/queue1-route.pem", routes.Cert,
		"/etc/nats/queue1-route.key", routes.Key, "/etc/nats/ca.pem", a.CA(), "/var/lib/nats", dir,
	).Replace(string(text))
	name := filepath.Join(dir, "nats-server.conf")
	no(t, os.WriteFile(name, []byte(config), 0o600))
	o, err := server.ProcessConfigFile(name)
	no(t, err)
	if !o.JetStream || !o.SyncAlways || len(o.Nkeys) != 3 || len(o.Routes) != 3 {
		t.Errorf("JetStream %v, synced %v, %d users, %d routes", o.JetStream, o.SyncAlways, len(o.Nkeys), len(o.Routes))
	}
	for where, c := range map[string]*tls.Config{"clients": o.TLSConfig, "servers": o.Cluster.TLSConfig} {
		if c == nil || c.MinVersion != tls.VersionTLS13 {
			t.Errorf("%s: TLS is %+v, expected 1.3", where, c)
		}
	}
	if o.Cluster.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert {
		t.Error("servers need no certificate")
	}
}
