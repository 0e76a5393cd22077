package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/declip/declip/internal/parallel"
)

// Server answers requests. The caller opens its models, and closes them after Serve has returned.
type Server struct {
	config  Config
	models  []*modelQueue // the first is the default
	stats   *stats
	handler http.Handler
	in      *budget // memory for files that were received and wait
	work    *budget // memory for pictures in progress
	out     *budget // memory for responses that clients have not read yet
	links   *links
	fetcher *fetcher

	streams chan struct{}   // one for each response that follows a job
	life    context.Context // ends when responses that follow jobs must
	endLife context.CancelFunc

	draining atomic.Bool // /readyz says no
	stopping atomic.Bool // new requests are refused
}

// New makes a server of at least one model. Names of models must be unique.
func New(c Config, models []Model) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if len(models) == 0 {
		return nil, errors.New("no model to serve")
	}
	s := &Server{
		config: c, stats: newStats(c.Version),
		in: newBudget(c.memoryIn()), work: newBudget(c.memoryWork()), out: newBudget(c.memoryOut()),
	}
	s.streams = make(chan struct{}, streamsAtOnce)
	s.life, s.endLife = context.WithCancel(context.Background())
	if c.Dropped != nil {
		s.stats.watchLog(c.Dropped)
	}
	if c.Jobs != nil && c.Jobs.Metrics != nil {
		if err := s.stats.registry.Register(c.Jobs.Metrics); err != nil {
			return nil, fmt.Errorf("metrics of jobs: %w", err)
		}
	}
	s.links = newLinks(c.memoryOut(), c.LinkTTL)
	s.fetcher = newFetcher(c.MaxBytes, c.patience)
	network := make(chan struct{}, workersPerModel)
	for _, m := range models {
		if m.Name == "" || s.model(m.Name) != nil {
			return nil, fmt.Errorf("model name %q: expected a name that no other model has", m.Name)
		}
		s.models = append(s.models, newModelQueue(m, c, s.work, network, s.stats))
	}
	s.stats.watch(s.models, map[string]*budget{"in": s.in, "work": s.work, "out": s.out})
	s.handler = s.newHandler()
	return s, nil
}

// model finds a model by its name; nil if there is none.
func (s *Server) model(name string) *modelQueue {
	for _, m := range s.models {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// maxHeaderBytes bounds the header of a request.
const maxHeaderBytes = 32 << 10

// ErrWorking is wrapped by the error of Serve if a model is still working on a picture when the
// grace is over. Models must not be closed then; the process should end.
var ErrWorking = errors.New("a model is still working")

// afterGrace is how long Serve waits for the workers when the grace is over.
const afterGrace = 500 * time.Millisecond

// Serve accepts connections on l until ctx ends. It then refuses new requests and waits for those
// in progress, for Config.Grace at most. It closes l. The error is nil if every request was
// answered.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	working, stop := context.WithCancel(context.Background())
	var workers parallel.Group
	for _, m := range s.models {
		for range workersPerModel {
			workers.Go(func() error {
				m.run(working)
				return nil
			})
		}
	}
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.config.patience,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          debugLog(s.config.Log),
		ConnContext:       withConn,
		ConnState:         connState,

		DisableGeneralOptionsHandler: true,
		// Not ctx: requests in progress outlive it.
		BaseContext: func(net.Listener) context.Context { return working },
	}
	failed := parallel.Go(func() error {
		return server.Serve(newListener(l, s.config.MaxConns, connReport{s.logRefused, s.logAcceptError}))
	})
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = s.drain(server)
	}
	s.endLife()
	stop()
	select {
	case <-parallel.Go(workers.Wait): //nolint:errcheck // run handles its own errors
		return err
	case <-time.After(afterGrace):
		return errors.Join(err, ErrWorking)
	}
}

// drain stops the server. For Config.Drain it still takes requests while /readyz says no, so that a
// load balancer can send new ones elsewhere. Then it waits for the requests in progress, and closes
// their connections when the grace is over.
func (s *Server) drain(server *http.Server) error {
	s.draining.Store(true)
	server.SetKeepAlivesEnabled(false) // clients that keep a connection turn to other servers
	if s.config.Drain > 0 {
		s.config.Log.Info("draining", "delay", s.config.Drain.String())
		time.Sleep(s.config.Drain)
	}
	s.stopping.Store(true)
	s.endLife()
	s.config.Log.Info("stopping", "grace", s.config.Grace.String())
	grace, cancel := context.WithTimeout(context.Background(), s.config.Grace)
	defer cancel()
	err := server.Shutdown(grace)
	if err != nil {
		_ = server.Close() // its error is that of the requests that are cut off
		return fmt.Errorf("stopped with requests in progress, after %v of grace", s.config.Grace)
	}
	return nil
}

// retryAfter estimates when a refused client may try again.
func (s *Server) retryAfter() time.Duration {
	longest := time.Second
	for _, m := range s.models {
		longest = max(longest, m.wait()/2)
	}
	return longest
}
