package queue

import (
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Hooks are called when something happens that an operator may want to know. Each may be nil. They
// must return at once and may be called by several goroutines at the same time.
type Hooks struct {
	// Healed: Heal has mended a stream or consumer.
	Healed func(name string)
	// Redelivered: a message of the pool was delivered that had been delivered before. Hook messages
	// have the pool "".
	Redelivered func(pool string)
	// Denied: the servers refused a request to this subject.
	Denied func(subject string)
	// Connected: the connection was lost, with its error, or made again, with nil.
	Connected func(err error)
}

// settings are common to all connections.
type settings struct {
	hooks      Hooks
	log        *slog.Logger
	copies     int           // of streams and buckets; 0: as they are, or usualCopies
	ackWait    time.Duration // AckWait, except in tests
	leaseTTL   time.Duration // LeaseTTL, except in tests
	leaderless time.Duration // LeaderlessFor, except in tests
	worker     bool
	own        bool                      // the server is in this process
	lose       func(subject string) bool // in tests: whether the answer to a publish is lost
	prefix     string                    // of inboxes; "": the client's own
}

func (s settings) withDefaults() settings {
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.ackWait == 0 {
		s.ackWait = AckWait
	}
	if s.prefix == "" {
		s.prefix = strings.TrimSuffix(nats.InboxPrefix, ".")
	}
	if s.leaseTTL == 0 {
		s.leaseTTL = LeaseTTL
	}
	if s.leaderless == 0 {
		s.leaderless = LeaderlessFor
	}
	return s
}
