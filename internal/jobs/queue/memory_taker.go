package queue

import (
	"context"
	"time"
)

type memoryTaker struct {
	memory  *Memory
	options TakeOptions
	closed  bool // guarded by memory.mu
}

func (t *memoryTaker) Take(ctx context.Context) (l Lease, err error) {
	m := t.memory
	err = m.await(ctx, "take", "", func() (bool, error) {
		if t.closed {
			return false, ErrClosed
		}
		x, s := t.find()
		if x == nil {
			return false, nil
		}
		x.deliveries++
		x.free = time.Now().Add(m.wait())
		l = &memoryLease{memory: m, stream: s, message: x, deliveries: x.deliveries}
		return true, nil
	})
	return l, err
}

// wait is how long a message stays with a worker that does not beat.
func (m *Memory) wait() time.Duration {
	if m.AckWait > 0 {
		return m.AckWait
	}
	return AckWait
}

// find gives the message to be taken next, nil if there is none.
func (t *memoryTaker) find() (*memoryMessage, *memoryStream) {
	m, now := t.memory, time.Now()
	if t.options.Hooks {
		return first(m.streams[hookToken], "hook.>", now), m.streams[hookToken]
	}
	s := m.streams[workToken]
	for _, p := range Priorities {
		for _, pool := range t.options.Pools {
			filter, err := WorkOfPool(pool, p)
			if err != nil || !m.pools[pool] {
				continue
			}
			if x := first(s, filter, now); x != nil {
				return x, s
			}
		}
	}
	return nil, s
}

// first is the first message that filter selects and no worker has; nil if there is none.
func first(s *memoryStream, filter string, now time.Time) *memoryMessage {
	for _, x := range s.messages {
		if !now.Before(x.free) && matches(filter, x.Subject) {
			return x
		}
	}
	return nil
}

func (t *memoryTaker) Close() error {
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	t.closed = true
	t.memory.signal()
	return nil
}

type memoryLease struct {
	memory     *Memory
	stream     *memoryStream
	message    *memoryMessage
	deliveries int
}

func (l *memoryLease) Subject() string { return l.message.Subject }
func (l *memoryLease) Body() []byte    { return l.message.Body }
func (l *memoryLease) Deliveries() int { return l.deliveries }

func (l *memoryLease) Beat(ctx context.Context) error {
	return l.free(ctx, "beat", l.memory.wait())
}

func (l *memoryLease) Drop(ctx context.Context, delay time.Duration) error {
	return l.free(ctx, "drop", delay)
}

func (l *memoryLease) Done(ctx context.Context) error { return l.remove(ctx, "done") }
func (l *memoryLease) Term(ctx context.Context) error { return l.remove(ctx, "term") }

// free lets the message be delivered after a time, unless it has been delivered again since.
func (l *memoryLease) free(ctx context.Context, operation string, after time.Duration) error {
	if err := l.memory.begin(ctx, operation, l.message.Subject); err != nil {
		return err
	}
	defer l.memory.mu.Unlock()
	if l.deliveries == l.message.deliveries {
		l.message.free = time.Now().Add(after)
		l.memory.signal()
	}
	return nil
}

func (l *memoryLease) remove(ctx context.Context, operation string) error {
	if err := l.memory.begin(ctx, operation, l.message.Subject); err != nil {
		return err
	}
	defer l.memory.mu.Unlock()
	if l.stream.remove(l.message) {
		l.memory.signal()
	}
	return nil
}
