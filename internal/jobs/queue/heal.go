package queue

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// healing remembers what Heal has seen.
type healing struct {
	mu    sync.Mutex
	pools map[string]int // slots of the pools that this engine has made
	seen  map[string]fault
	// leaderless says for how long streams have had no leader, see ReplaceLeaderless.
	leaderless map[string]leaderless
}

// fault is how a consumer differs from its stream. A power failure may leave a consumer that is
// ahead of its stream, or that believes messages finished which the stream still has: they would
// never be delivered.
type fault struct {
	ahead   uint64 // messages that the consumer delivered and the stream has not had yet
	missing int    // messages of the stream that it will not deliver; negative: it has more
	times   int    // calls that saw the same
}

// faultsSeen is how many calls have to see the same fault: numbers of a queue that is in use are
// never of the same moment.
const faultsSeen = 3

func (h *healing) pool(name string, slots int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pools == nil {
		h.pools = map[string]int{}
	}
	h.pools[name] = slots
}

func (h *healing) known() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.pools)
}

// judge counts a fault of a consumer and says whether it must be mended.
func (h *healing) judge(name string, f fault) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen = map[string]fault{}
	}
	if f == (fault{}) {
		delete(h.seen, name)
		return false
	}
	before := h.seen[name]
	f.times = 1
	if before.ahead == f.ahead && before.missing == f.missing {
		f.times = before.times + 1
	}
	h.seen[name] = f
	if f.times < faultsSeen {
		return false
	}
	delete(h.seen, name)
	return true
}

// Heal is Engine.Heal: it makes missing streams and consumers, and replaces consumers that differ
// from their streams. Messages may be delivered twice then.
func (e *JetStream) Heal(ctx context.Context) ([]string, error) {
	mended, err := e.setup(ctx)
	if err != nil {
		return mended, err
	}
	for _, token := range []string{workToken, hookToken} {
		consumers, last, err := e.consumers(ctx, streamName[token])
		if err != nil {
			return mended, err
		}
		if token == workToken {
			pools, err := e.healPools(ctx, consumers)
			if !slices.Contains(mended, workStream) { // consumers go with their stream
				mended = append(mended, pools...)
			}
			if err != nil {
				return mended, err
			}
		}
		replaced, err := e.healStream(ctx, token, consumers, last)
		mended = append(mended, replaced...)
		if err != nil {
			return mended, err
		}
	}
	for _, name := range mended {
		e.mended(name)
	}
	return mended, nil
}

// mended reports a stream, pool or consumer that was mended.
func (e *JetStream) mended(name string) {
	e.settings.log.Warn("queue mended", slog.String("name", name))
	if e.settings.hooks.Healed != nil {
		e.settings.hooks.Healed(name)
	}
}

// healPools makes the consumers of this engine's pools again that are not among those of the work,
// such as after the stream was made again.
func (e *JetStream) healPools(ctx context.Context, consumers []*jetstream.ConsumerInfo) (mended []string, err error) {
	there := map[string]bool{}
	for _, c := range consumers {
		there[c.Name] = true
	}
	for pool, slots := range e.healing.known() {
		missing := false
		for _, p := range Priorities {
			missing = missing || !there[consumer(pool, p)]
		}
		if !missing {
			continue
		}
		if err := e.Pool(ctx, pool, slots); err != nil {
			return mended, err
		}
		mended = append(mended, pool)
	}
	return mended, nil
}

// healStream looks at the consumers of the stream of a first token, of which last is the number of
// the last message.
func (e *JetStream) healStream(ctx context.Context, token string, consumers []*jetstream.ConsumerInfo, last uint64) (replaced []string, err error) {
	if len(consumers) == 0 {
		return nil, nil
	}
	stream := streamName[token]
	subjects, err := e.Subjects(ctx, token+".>")
	if err != nil {
		return nil, err
	}
	for _, c := range consumers {
		f := fault{}
		if d := c.Delivered.Stream; d > last {
			// The number of the last message is older than the consumer's; only a difference that stays
			// counts.
			f.ahead = d - last
		}
		f.missing = -int(c.NumPending) - c.NumAckPending
		for _, subject := range subjects {
			if matches(c.Config.FilterSubject, subject) {
				f.missing++
			}
		}
		name := stream + " " + c.Name
		if !e.healing.judge(name, f) {
			continue
		}
		e.settings.log.Warn("consumer differs from its stream and is replaced", slog.String("consumer", c.Name),
			slog.Uint64("ahead", f.ahead), slog.Int("missing", f.missing))
		if err := e.replace(ctx, stream, c.Config); err != nil {
			return replaced, err
		}
		replaced = append(replaced, c.Name)
	}
	return replaced, nil
}

// replace makes a consumer again, which then delivers all messages of its stream.
func (e *JetStream) replace(ctx context.Context, stream string, c jetstream.ConsumerConfig) error {
	err := e.call(ctx, apiPrefix+"CONSUMER.DELETE."+stream+"."+c.Durable, func(ctx context.Context) error {
		return e.js.DeleteConsumer(ctx, stream, c.Durable)
	})
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("consumer %s cannot be deleted: %w", c.Durable, err)
	}
	if err := e.makeConsumer(ctx, stream, c); err != nil {
		return fmt.Errorf("consumer %s cannot be made again: %w", c.Durable, err)
	}
	return nil
}
