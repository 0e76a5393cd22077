// Package serve is the HTTP service: pictures come in, what a model says about
// them goes out, and a web page for those who would rather not write programs.
//
// A request passes, in this order: the checks of its head (host, origin, token,
// path, method, parameters), the reading of its body within the memory for that
// and with a deadline, the look at the picture's header, the queue of its model,
// decoding, the network, and the encoding of its answer. Each place is bounded;
// where there is none, the answer is 429 at once.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server answers requests with models that the caller has opened, and closes
// after the server's end.
type Server struct {
	config  Config
	lanes   []*lane
	stats   *stats
	handler http.Handler
	in      *budget // files that came in and wait
	work    *budget // pictures in work
	out     *budget // answers that clients have yet to take
	links   *links
	fetcher *fetcher

	stopping atomic.Bool
}

// New makes a server of at least one model, each with a name of its own.
func New(c Config, models []Model) (*Server, error) {
	c, err := c.WithDefaults()
	if err != nil {
		return nil, err
	}
	if len(models) == 0 {
		return nil, errors.New("no model to serve")
	}
	s := &Server{
		config: c, stats: newStats(c.Version),
		in: newBudget(c.memoryIn()), work: newBudget(c.memoryWork()), out: newBudget(c.memoryOut()),
	}
	s.links = newLinks(c.memoryOut(), c.Links)
	s.fetcher = newFetcher(c.MaxBytes)
	network := make(chan struct{}, atOnce)
	for _, m := range models {
		if s.lane(m.Name) != nil || m.Name == "" {
			return nil, fmt.Errorf("model name %q: expected a name that no other model has", m.Name)
		}
		s.lanes = append(s.lanes, newLane(m, c, s.work, network, s.stats))
	}
	s.stats.watch(s.lanes, map[string]*budget{"in": s.in, "work": s.work, "out": s.out})
	s.handler = s.newHandler()
	return s, nil
}

// lane finds a model by its name.
func (s *Server) lane(name string) *lane {
	for _, l := range s.lanes {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// maxHeaderBytes bounds the head of a request.
const maxHeaderBytes = 32 << 10

// Serve answers on a listener until ctx ends; then it takes no new requests and
// gives those under way the time of Config.Grace. It closes the listener. The
// error is nil if all were answered.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	working, stop := context.WithCancel(context.Background())
	var lanes sync.WaitGroup
	for _, lane := range s.lanes {
		lanes.Go(func() { lane.run(working) })
	}
	defer lanes.Wait()
	defer stop()
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.config.patience,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          discardLog(s.config.Log),
		ConnContext:       withConn,

		DisableGeneralOptionsHandler: true,
		// A context of its own: requests under way outlive ctx.
		BaseContext: func(net.Listener) context.Context { return working },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(newListener(l, s.config.Conns)) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return s.drain(server)
}

func (s *Server) drain(server *http.Server) error {
	s.stopping.Store(true)
	s.config.Log.Info("stopping", "grace", s.config.Grace.String())
	grace, cancel := context.WithTimeout(context.Background(), s.config.Grace)
	defer cancel()
	err := server.Shutdown(grace)
	if err != nil {
		_ = server.Close() // the error is that of the requests that are cut off
		return fmt.Errorf("stopped with requests under way, after %v of grace", s.config.Grace)
	}
	return nil
}

// retryAfter is when a client may try again that found no place.
func (s *Server) retryAfter() time.Duration {
	longest := time.Second
	for _, l := range s.lanes {
		longest = max(longest, l.wait()/2)
	}
	return longest
}
