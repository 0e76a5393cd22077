package jobstest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/declip/declip/internal/jobs/queue"
)

// Servers are the servers of a queue on this machine, each to be run in a process of its own,
// without TLS.
type Servers struct {
	clients []string // HOST:PORT for clients
	routes  []string // and for the other servers
}

// NewServers chooses loopback addresses of n servers that no program listens at.
func NewServers(ctx context.Context, n int) (s Servers, err error) {
	for range n {
		for _, list := range []*[]string{&s.clients, &s.routes} {
			l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return s, err
			}
			defer l.Close()
			*list = append(*list, l.Addr().String())
		}
	}
	return s, nil
}

// String gives the servers in the form that ParseServers reads.
func (s Servers) String() string {
	return strings.Join(s.clients, ",") + ";" + strings.Join(s.routes, ",")
}

// ParseServers is the inverse of Servers.String.
func ParseServers(text string) (s Servers, err error) {
	clients, routes, _ := strings.Cut(text, ";")
	s.clients, s.routes = strings.Split(clients, ","), strings.Split(routes, ",")
	if clients == "" || len(s.clients) != len(s.routes) {
		return s, fmt.Errorf("servers %q: expected the addresses for clients, a semicolon, and those for servers", text)
	}
	return s, nil
}

// URL is that for clients.
func (s Servers) URL() string { return "nats://" + strings.Join(s.clients, ",nats://") }

// Serve runs the server with a number, counted from 0, in a directory until ctx ends. Several
// servers are a cluster.
func (s Servers) Serve(ctx context.Context, number int, dir string, log *slog.Logger) error {
	if number < 0 || number >= len(s.clients) {
		return fmt.Errorf("server %d: there are %d", number, len(s.clients))
	}
	o := queue.ServerOptions{Dir: dir, Insecure: true, Log: log, Listen: s.clients[number]}
	if len(s.clients) > 1 {
		o.Cluster = &queue.ClusterOptions{Name: "test", Server: fmt.Sprint("s", number), Listen: s.routes[number], Peers: s.routes}
	}
	server, err := queue.StartServer(ctx, o)
	if err != nil {
		return err
	}
	defer server.Close()
	engine, err := server.Connect(ctx, len(s.clients), queue.Hooks{}, log)
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

// Connect connects to the servers, again until ctx ends while none answers.
func (s Servers) Connect(ctx context.Context, name string, log *slog.Logger) (*queue.JetStream, error) {
	for {
		engine, err := queue.Connect(ctx, queue.ConnectOptions{URL: s.URL(), Insecure: true, Name: name, Log: log})
		if err == nil || ctx.Err() != nil {
			return engine, err
		}
		log.Warn("no connection yet", "error", err)
	}
}
