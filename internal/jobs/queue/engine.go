package queue

import (
	"context"
	"time"
)

// Limits and intervals that the parts of the queue agree on.
const (
	// AckWait is how long a message stays with a worker that does not beat. Then it is delivered
	// again.
	AckWait = 30 * time.Second
	// BeatEvery is the interval at which a worker beats for a message that it works on.
	BeatEvery = 10 * time.Second
	// LeaseTTL is how long an entry of BucketLeases lives; its owner renews it every LeaseRenew.
	LeaseTTL   = 15 * time.Second
	LeaseRenew = 5 * time.Second
	// MaxBody is the largest body of a message, in bytes, and the largest value of a key.
	MaxBody = 1<<20 - 4<<10
)

// Engine is a queue. All methods may be called by several goroutines at the same time.
//
// While the servers do not answer, Put, Lease.Done and the methods of a Bucket repeat their request
// until ctx ends; the error then wraps ErrUnavailable and the cause of ctx. Requests that these
// credentials do not permit fail at once with ErrDenied.
type Engine interface {
	// Put adds a message. If a work or hook message with this subject is in the queue, waiting or
	// being worked on, Put changes nothing and already is true. A done or dead message replaces the
	// one with its subject. When Put returns without an error, the message survives a power failure.
	Put(ctx context.Context, subject string, body []byte) (already bool, err error)

	// Pool lets the messages of a pool be taken, by up to the given number of slots of workers. It
	// must be called before the first message is taken, and again when the number grows.
	Pool(ctx context.Context, pool string, slots int) error

	// Take opens the pools for one process that works on their messages. It returns at once, also
	// if a pool cannot be taken from yet.
	Take(ctx context.Context, o TakeOptions) (Taker, error)

	// Purge removes the messages that filter selects, waiting or being worked on, and returns how
	// many they were. Their leases stay valid; finishing them has no effect. A message that a Taker
	// holds, or that is on its way in a cluster, may still be taken.
	Purge(ctx context.Context, filter string) (int, error)

	// Depth counts the messages that filter selects, those being worked on included.
	Depth(ctx context.Context, filter string) (int, error)

	// Subjects lists the subjects of the messages that filter selects, in no order.
	Subjects(ctx context.Context, filter string) ([]string, error)

	// Oldest is the time at which the oldest message that filter selects was put in; false if there
	// is none.
	Oldest(ctx context.Context, filter string) (time.Time, bool, error)

	// Lanes counts the messages of each pool that was opened, for each priority, in no order.
	Lanes(ctx context.Context) ([]Lane, error)

	// Events reads the messages that filter selects without taking them, in the order in which they
	// were put in: first those with a higher sequence number than after, then new ones. If the
	// stream has been made again since, or has lost its end, it begins with the first one there is.
	Events(ctx context.Context, filter string, after uint64) (Reader, error)

	// Bucket gives one of the buckets, by its name.
	Bucket(name string) (Bucket, error)

	// Heal looks for pools from which messages would never be taken, as a power failure may leave
	// them, and mends them. It must be called every two seconds by one process: a fault counts when
	// three calls have seen it. It returns the names of what was mended.
	Heal(ctx context.Context) ([]string, error)

	// ReplaceLeaderless makes streams again, empty, that have had no leader for LeaderlessFor although
	// their servers are there, if their contents are put in again by those who use them; of others,
	// the log says so. It returns their names. It is called again and again, by any number of
	// processes.
	ReplaceLeaderless(ctx context.Context) ([]string, error)

	// Reset deletes all streams and buckets with their contents, and makes them again.
	Reset(ctx context.Context) error

	// Close ends all takers, readers and watchers of this engine. Messages that were taken and
	// are not finished are delivered again after AckWait.
	Close() error
}

// TakeOptions says what a Taker takes.
type TakeOptions struct {
	// Pools are the pools to take from. Urgent messages of all pools go first, then normal, then bulk
	// ones; a message that has been held for ten seconds precedes all others.
	Pools []string
	// Hooks takes hook messages instead. Pools must be empty.
	Hooks bool
	// Prefetch holds one message of each pool and priority while none is asked for, so that a worker
	// need not wait for the next one. It must not be set where a message is worked on for more than
	// some seconds: what is held waits for this process.
	Prefetch bool
}

// Taker gives messages to work on. Its methods may be called by several goroutines at the same
// time.
type Taker interface {
	// Take waits for a message until ctx ends, and returns its cause then.
	Take(ctx context.Context) (Lease, error)
	// Close returns the messages that are held to the queue.
	Close() error
}

// Lease is a message that is being worked on. It is delivered again if AckWait passes without Beat,
// Done, Drop or Term.
type Lease interface {
	// Subject is what the message was put in under.
	Subject() string
	Body() []byte
	// Deliveries counts how often the message was delivered, this time included. A message that was
	// held by a worker that died counts, too, although no one worked on it.
	Deliveries() int
	// Beat says that the message is still worked on.
	Beat(ctx context.Context) error
	// Done removes the message from the queue and waits until that survives a power failure. A
	// cluster may count the message for some milliseconds more. Done has no effect on a message that
	// was removed by others.
	Done(ctx context.Context) error
	// Drop returns the message to the queue, to be delivered again after delay.
	Drop(ctx context.Context, delay time.Duration) error
	// Term removes the message from the queue because it must not be worked on.
	Term(ctx context.Context) error
}

// Event is a message that was read without being taken.
type Event struct {
	Subject string
	Body    []byte
	// Seq is the message's number in its stream. Numbers rise; they begin again after a Reset.
	Seq uint64
	// Time is when the message was put in, by the server's clock.
	Time time.Time
	// Left is how many messages were to follow when this one was sent: 0 for the last one there is.
	// In a cluster the server that sends may be some milliseconds behind, and count too few: Subjects
	// says which messages there are.
	Left uint64
}

// Reader gives events.
type Reader interface {
	// Next waits for the next event until ctx ends, and returns its cause then.
	Next(ctx context.Context) (Event, error)
	Close() error
}
