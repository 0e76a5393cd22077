package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// LeaderlessFor is how long a stream may be without a leader before it is made again. An election
// takes up to 20 s on a busy machine.
const LeaderlessFor = time.Minute

// replaceable are the streams whose contents their users put in again: the dispatcher puts in the
// batches, the others their leases, heartbeats and progress. The starts of suspicious items are
// counted from 0 again.
var replaceable = []string{workStream, bucketPrefix + BucketLeases, bucketPrefix + BucketTries}

// leaderless is a stream without a leader.
type leaderless struct {
	created time.Time // the stream, which another process may replace meanwhile
	since   time.Time
	told    bool
}

// ReplaceLeaderless is Engine.ReplaceLeaderless. After power cuts, the copies of a stream may all
// be older than what their servers have agreed on. Each waits then for a leader that has the rest,
// and none is elected.
func (e *JetStream) ReplaceLeaderless(ctx context.Context) (replaced []string, err error) {
	for _, c := range e.streams() {
		info, err := e.once(ctx, c.Name)
		if err != nil {
			e.healing.led("") // how long a stream has been without a leader is not known
			return replaced, fmt.Errorf("stream %s: %w", c.Name, err)
		}
		if info == nil || !waitsForLeader(info) {
			e.healing.led(c.Name)
			continue
		}
		past, told := e.healing.withoutLeader(info, e.settings.leaderless)
		switch {
		case !past:
		case slices.Contains(replaceable, c.Name):
			if err := e.makeAgain(ctx, info); err != nil {
				return replaced, fmt.Errorf("stream %s cannot be made again: %w", c.Name, err)
			}
			e.healing.led(c.Name)
			e.mended(c.Name)
			replaced = append(replaced, c.Name)
		case !told:
			e.settings.log.Error("a stream has no leader although its servers are there; an operator has to make it again",
				slog.String("stream", c.Name))
		}
	}
	return replaced, nil
}

// once asks for a stream's state, one time. It gives nil for a stream that does not exist.
func (e *JetStream) once(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	s, err := e.js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, nil
	case err != nil:
		return nil, class(err)
	}
	return s.CachedInfo(), nil
}

// waitsForLeader says whether a stream has no leader although all servers with its copies are
// there.
func waitsForLeader(info *jetstream.StreamInfo) bool {
	if info.Cluster == nil || info.Cluster.Leader != "" {
		return false
	}
	return !slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return p.Offline })
}

// makeAgain deletes a stream and makes it, empty, with the settings that it had.
func (e *JetStream) makeAgain(ctx context.Context, info *jetstream.StreamInfo) error {
	name := info.Config.Name
	err := e.call(ctx, apiPrefix+"STREAM.DELETE."+name, func(ctx context.Context) error {
		if err := e.js.DeleteStream(ctx, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return e.call(ctx, apiPrefix+"STREAM.CREATE."+name, func(ctx context.Context) error {
		_, err := e.js.CreateStream(ctx, info.Config)
		return err
	})
}

// withoutLeader notes that a stream has no leader. It says whether that has been so for longer than
// limit, and whether it said so before.
func (h *healing) withoutLeader(info *jetstream.StreamInfo, limit time.Duration) (past, told bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaderless == nil {
		h.leaderless = map[string]leaderless{}
	}
	l := h.leaderless[info.Config.Name]
	if !l.created.Equal(info.Created) || l.since.IsZero() {
		l = leaderless{created: info.Created, since: time.Now()}
	}
	past, told = time.Since(l.since) > limit, l.told
	l.told = past
	h.leaderless[info.Config.Name] = l
	return past, told
}

// led notes that a stream has a leader; "": nothing is known of any.
func (h *healing) led(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name == "" {
		clear(h.leaderless)
	}
	delete(h.leaderless, name)
}
