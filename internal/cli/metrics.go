package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs/metrics"
)

// metricsOptions is the flag of commands that give their metrics at an address of their own.
type metricsOptions struct{ addr string }

// AddFlags declares the flag.
func (o *metricsOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.addr, "metrics", "", "`address` and port at which /metrics gives metrics for Prometheus, without TLS and token, such as 127.0.0.1:9100 (default: none)")
}

func (o *metricsOptions) check(cmd *cobra.Command) error {
	if o.addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil || host == "" {
		return usagef(cmd, "--metrics %q: expected HOST:PORT: 127.0.0.1 as the host is localhost only, 0.0.0.0 admits other machines", o.addr)
	}
	return nil
}

// metricsServer gives the metrics of this process. A nil one gives none.
type metricsServer struct {
	*metrics.Metrics
	listener net.Listener
	server   *http.Server
}

// listenMetrics opens the address of --metrics, in case it is in use; nil without one.
func (a *app) listenMetrics(ctx context.Context, o metricsOptions) (*metricsServer, error) {
	if o.addr == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	s := &metricsServer{Metrics: metrics.New(), listener: listener}
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", s.Handler(version()))
	const patience, headers = 10 * time.Second, 16 << 10
	s.server = &http.Server{
		Handler: routes, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: headers,
	}
	return s, nil
}

// sayMetrics prints where the metrics are.
func (a *app) sayMetrics(s *metricsServer, o metricsOptions) {
	if s == nil {
		return
	}
	fmt.Fprintf(a.stdout, "metrics: http://%s/metrics\n", asGiven(s.listener.Addr(), o.addr))
	if tcp, ok := s.listener.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		a.notice("anyone who can reach the address of --metrics can read the metrics")
	}
}

// metrics are those that are given, nil for none.
func (s *metricsServer) metrics() *metrics.Metrics {
	if s == nil {
		return nil
	}
	return s.Metrics
}

// run answers requests until ctx ends.
func (s *metricsServer) run(ctx context.Context) error {
	if s == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = s.server.Close() })
	defer stop()
	err := s.server.Serve(s.listener)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("metrics: %w", err)
}

// Close closes the listener.
func (s *metricsServer) Close() error {
	if s == nil {
		return nil
	}
	return s.listener.Close()
}
