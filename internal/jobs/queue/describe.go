package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Description is what a connection sees of the queue's servers.
type Description struct {
	Server  string // the one that is connected to
	Version string
	Cluster string // "" for a single server
	// RoundTrip is the time to the server and back.
	RoundTrip time.Duration
	TLS       bool
	Streams   []StreamDescription
}

// StreamDescription describes a stream or the stream of a bucket.
type StreamDescription struct {
	Name     string
	Copies   int
	Behind   int // copies that are offline or not up to date
	Messages uint64
	Bytes    uint64
	// Problem is why the stream cannot be described: it is missing, or the credentials do not
	// permit it.
	Problem error
}

// Describe asks the servers what they are and what they hold.
func (e *JetStream) Describe(ctx context.Context) (Description, error) {
	d := Description{
		Server: e.conn.ConnectedServerName(), Version: e.conn.ConnectedServerVersion(), Cluster: e.conn.ConnectedClusterName(),
	}
	_, err := e.conn.TLSConnectionState()
	d.TLS = err == nil
	if d.RoundTrip, err = e.conn.RTT(); err != nil {
		return d, fmt.Errorf("queue: %w: %w", ErrUnavailable, err)
	}
	for _, c := range e.streams() {
		d.Streams = append(d.Streams, e.describeStream(ctx, c.Name))
	}
	return d, nil
}

func (e *JetStream) describeStream(ctx context.Context, name string) StreamDescription {
	d := StreamDescription{Name: name}
	d.Problem = e.call(ctx, apiPrefix+"STREAM.INFO."+name, func(ctx context.Context) error {
		s, err := e.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("stream %s: %w", name, ErrNotFound)
		}
		if err != nil {
			return err
		}
		info := s.CachedInfo()
		d.Copies, d.Messages, d.Bytes = info.Config.Replicas, info.State.Msgs, info.State.Bytes
		if info.Cluster == nil {
			return nil
		}
		if info.Cluster.Leader == "" {
			d.Behind++
		}
		for _, r := range info.Cluster.Replicas {
			if r.Offline || !r.Current {
				d.Behind++
			}
		}
		return nil
	})
	return d
}
