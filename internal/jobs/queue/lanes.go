package queue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Lane counts the messages of a pool that have one priority.
type Lane struct {
	Pool     string
	Priority Priority
	Waiting  int // that no worker has
	Working  int // that were delivered and are not finished
	// Redelivered is how many of Working were delivered more than once.
	Redelivered int
}

// Lanes is Engine.Lanes.
func (e *JetStream) Lanes(ctx context.Context) (list []Lane, err error) {
	consumers, _, err := e.consumers(ctx, workStream)
	if err != nil {
		return nil, fmt.Errorf("counting the batches of all pools: %w", err)
	}
	for _, c := range consumers {
		pool, priority, ok := cutLast(c.Name, "-")
		if !ok {
			continue // of another program
		}
		list = append(list, Lane{pool, Priority(priority), int(c.NumPending), c.NumAckPending, c.NumRedelivered})
	}
	return list, nil
}

// cutLast cuts text at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// consumers describes the consumers of a stream. last is the number of the stream's last message,
// taken before.
func (e *JetStream) consumers(ctx context.Context, stream string) (list []*jetstream.ConsumerInfo, last uint64, err error) {
	err = e.call(ctx, apiPrefix+"CONSUMER.LIST."+stream, func(ctx context.Context) error {
		s, err := e.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		list = nil
		listed := s.ListConsumers(ctx)
		for c := range listed.Info() {
			list = append(list, c)
		}
		last = s.CachedInfo().State.LastSeq
		return listed.Err()
	})
	return list, last, err
}

// Lanes is Engine.Lanes.
func (m *Memory) Lanes(ctx context.Context) (list []Lane, err error) {
	if err := m.begin(ctx, "lanes", ""); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	now := time.Now()
	for pool := range m.pools {
		for _, p := range Priorities {
			filter, err := WorkOfPool(pool, p)
			if err != nil {
				return nil, err
			}
			lane := Lane{Pool: pool, Priority: p}
			for _, x := range m.streams[workToken].messages {
				switch {
				case !matches(filter, x.Subject):
				case !now.Before(x.free):
					lane.Waiting++
				default:
					lane.Working++
					if x.deliveries > 1 {
						lane.Redelivered++
					}
				}
			}
			list = append(list, lane)
		}
	}
	return list, nil
}
