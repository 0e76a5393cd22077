package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Report describes the servers of a queue, for operators.
type Report struct {
	Server  string        // the name of the one that is connected to
	Version string        // of it
	Cluster string        // its name; "" for a single server
	Servers int           // that the client knows
	TLS     bool          // whether the connection has it
	RTT     time.Duration // of a question and its answer
	// Synced says that each write is on the disk before it is acknowledged: SyncAlways. Clients cannot
	// see it: it is true for a server in this process, and false if it is not known.
	Synced  bool
	Streams []StreamReport
	// Missing are streams that do not exist, Denied those that these credentials may not ask for.
	Missing, Denied []string
}

// StreamReport describes a stream or bucket.
type StreamReport struct {
	Name     string
	Messages uint64
	Bytes    uint64
	Copies   int
	Leader   string   // the server that leads; "" if there is none now
	Behind   []string // servers whose copies are offline or not up to date
}

// Inspect asks the servers for their state. What is missing or denied is in the report, not an
// error.
func (e *JetStream) Inspect(ctx context.Context) (Report, error) {
	r := Report{
		Server: e.conn.ConnectedServerName(), Version: e.conn.ConnectedServerVersion(), Cluster: e.conn.ConnectedClusterName(),
		Servers: len(e.conn.Servers()), Synced: e.settings.own,
	}
	_, err := e.conn.TLSConnectionState()
	r.TLS = err == nil
	if r.RTT, err = e.conn.RTT(); err != nil {
		return r, fmt.Errorf("asking the queue's server: %w", class(err))
	}
	for _, c := range e.streams() {
		s, err := e.inspect(ctx, c.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			r.Missing = append(r.Missing, c.Name)
		case errors.Is(err, ErrDenied):
			r.Denied = append(r.Denied, c.Name)
		case err != nil:
			return r, fmt.Errorf("stream %s: %w", c.Name, err)
		default:
			r.Streams = append(r.Streams, s)
		}
	}
	return r, nil
}

func (e *JetStream) inspect(ctx context.Context, stream string) (r StreamReport, err error) {
	missing := false
	err = e.call(ctx, apiPrefix+"STREAM.INFO."+stream, func(ctx context.Context) error {
		i, err := e.streamInfo(ctx, stream)
		if missing = err == nil && i == nil; missing || err != nil {
			return err
		}
		r = StreamReport{Name: stream, Messages: i.State.Msgs, Bytes: i.State.Bytes, Copies: i.Config.Replicas}
		if i.Cluster != nil {
			r.Leader = i.Cluster.Leader
			for _, p := range i.Cluster.Replicas {
				if p.Offline || !p.Current {
					r.Behind = append(r.Behind, p.Name)
				}
			}
			slices.Sort(r.Behind)
		}
		return nil
	})
	if missing {
		err = jetstream.ErrStreamNotFound
	}
	return r, err
}
