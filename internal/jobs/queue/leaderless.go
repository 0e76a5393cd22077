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

// mostGap is the longest time between two looks at a stream that counts as time without a leader:
// in a longer one, the servers may have been away.
const mostGap = 10 * time.Second

// leaderless is a stream that was seen without a leader.
type leaderless struct {
	created time.Time // the stream, which another process may replace meanwhile
	last    time.Time // when it was seen
	lasted  time.Duration
	told    bool
}

// ReplaceLeaderless is Engine.ReplaceLeaderless. After power cuts, the copies of a stream may all
// be older than what their servers have agreed on. Each waits then for a leader that has the rest,
// and none is elected.
func (e *JetStream) ReplaceLeaderless(ctx context.Context) (replaced []string, err error) {
	for _, c := range e.streams() {
		once, done := context.WithTimeout(ctx, attempt)
		info, askErr := e.streamInfo(once, c.Name)
		done()
		if askErr != nil { // of a stream without a leader, not each question is answered
			err = errors.Join(err, fmt.Errorf("stream %s: %w", c.Name, class(askErr)))
			continue
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
	return replaced, err
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
	if err := e.deleteStream(ctx, name); err != nil {
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
	l, now := h.leaderless[info.Config.Name], time.Now()
	if l.created.Equal(info.Created) {
		l.lasted += min(now.Sub(l.last), mostGap)
	} else {
		l = leaderless{created: info.Created}
	}
	past, told = l.lasted > limit, l.told
	l.last, l.told = now, past
	h.leaderless[info.Config.Name] = l
	return past, told
}

// led notes that a stream has a leader, or is gone.
func (h *healing) led(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.leaderless, name)
}
