package queue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Memory is an Engine that keeps everything in memory, for tests. Its zero value is ready for use.
type Memory struct {
	// AckWait replaces the constant of that name if it is set.
	AckWait time.Duration
	// LeaseTTL replaces the constant of that name if it is set.
	LeaseTTL time.Duration
	// Fail, if set, is called before each operation with its name in lower case, such as "put" or
	// "done", and the subject, filter or key. The operation fails with the error that it returns.
	Fail func(operation, subject string) error

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	closed  bool
	streams map[string]*memoryStream
	pools   map[string]bool
	buckets map[string]*memoryBucket
}

// memoryStream has the messages of one first token, in the order of their numbers.
type memoryStream struct {
	last     uint64
	messages []*memoryMessage
}

type memoryMessage struct {
	Event
	removed    bool
	deliveries int
	free       time.Time // when it may be delivered
}

// begin takes the lock for an operation, which must give it back if there is no error.
func (m *Memory) begin(ctx context.Context, operation, subject string) error {
	if m.Fail != nil {
		if err := m.Fail(operation, subject); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return ErrClosed
	}
	if m.streams == nil {
		m.clear()
	}
	return nil
}

// clear removes everything. Numbers of messages begin again.
func (m *Memory) clear() {
	m.streams = map[string]*memoryStream{workToken: {}, doneToken: {}, deadToken: {}, hookToken: {}}
	m.pools = map[string]bool{}
	m.buckets = map[string]*memoryBucket{}
	for _, name := range []string{BucketJobs, BucketTries, BucketLeases, BucketRuns} {
		m.buckets[name] = &memoryBucket{memory: m, name: name}
	}
	m.signal()
}

// signal wakes all who wait.
func (m *Memory) signal() {
	if m.changed != nil {
		close(m.changed)
	}
	m.changed = make(chan struct{})
}

// await calls try, with the lock, after each change and whenever time may have brought one, until
// it says that it is done.
func (m *Memory) await(ctx context.Context, operation, subject string, try func() (done bool, err error)) error {
	for {
		if err := m.begin(ctx, operation, subject); err != nil {
			return err
		}
		done, err := try()
		changed := m.changed
		m.mu.Unlock()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Put is Engine.Put.
func (m *Memory) Put(ctx context.Context, subject string, body []byte) (already bool, err error) {
	stream, err := checkSubject(subject)
	if err != nil {
		return false, err
	}
	if err := checkBody(subject, body); err != nil {
		return false, err
	}
	if err := m.begin(ctx, "put", subject); err != nil {
		return false, err
	}
	defer m.mu.Unlock()
	s := m.streams[stream]
	if i := slices.IndexFunc(s.messages, func(x *memoryMessage) bool { return x.Subject == subject }); i >= 0 {
		if stream == workToken || stream == hookToken {
			return true, nil
		}
		s.remove(s.messages[i])
	}
	s.last++
	s.messages = append(s.messages, &memoryMessage{
		Event: Event{Subject: subject, Body: slices.Clone(body), Seq: s.last, Time: time.Now()},
	})
	m.signal()
	return false, nil
}

// remove takes a message out; false if it was removed before.
func (s *memoryStream) remove(x *memoryMessage) bool {
	if x.removed {
		return false
	}
	x.removed = true
	s.messages = slices.DeleteFunc(s.messages, func(y *memoryMessage) bool { return x == y })
	return true
}

// Pool is Engine.Pool.
func (m *Memory) Pool(ctx context.Context, pool string, _ int) error {
	if err := CheckToken(pool); err != nil {
		return err
	}
	if err := m.begin(ctx, "pool", pool); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.pools[pool] = true
	m.signal()
	return nil
}

// selected calls each with the messages that a filter selects.
func (m *Memory) selected(ctx context.Context, operation, filter string, each func(*memoryStream, *memoryMessage)) error {
	stream, err := streamOf(filter)
	if err == nil {
		err = checkFilter(filter)
	}
	if err != nil {
		return err
	}
	if err := m.begin(ctx, operation, filter); err != nil {
		return err
	}
	defer m.mu.Unlock()
	s := m.streams[stream]
	for _, x := range slices.Clone(s.messages) {
		if matches(filter, x.Subject) {
			each(s, x)
		}
	}
	return nil
}

// Purge is Engine.Purge.
func (m *Memory) Purge(ctx context.Context, filter string) (n int, err error) {
	err = m.selected(ctx, "purge", filter, func(s *memoryStream, x *memoryMessage) { s.remove(x); n++ })
	return n, err
}

// Depth is Engine.Depth.
func (m *Memory) Depth(ctx context.Context, filter string) (n int, err error) {
	err = m.selected(ctx, "depth", filter, func(*memoryStream, *memoryMessage) { n++ })
	return n, err
}

// Subjects is Engine.Subjects.
func (m *Memory) Subjects(ctx context.Context, filter string) (list []string, err error) {
	err = m.selected(ctx, "subjects", filter, func(_ *memoryStream, x *memoryMessage) { list = append(list, x.Subject) })
	return list, err
}

// Oldest is Engine.Oldest.
func (m *Memory) Oldest(ctx context.Context, filter string) (at time.Time, ok bool, err error) {
	err = m.selected(ctx, "oldest", filter, func(_ *memoryStream, x *memoryMessage) {
		if !ok {
			at, ok = x.Time, true
		}
	})
	return at, ok, err
}

// Heal is Engine.Heal. There is nothing to mend.
func (m *Memory) Heal(ctx context.Context) ([]string, error) {
	if err := m.begin(ctx, "heal", ""); err != nil {
		return nil, err
	}
	m.mu.Unlock()
	return nil, nil
}

// ReplaceLeaderless is Engine.ReplaceLeaderless. There are no leaders.
func (m *Memory) ReplaceLeaderless(ctx context.Context) ([]string, error) { return m.Heal(ctx) }

// Reset is Engine.Reset.
func (m *Memory) Reset(ctx context.Context) error {
	if err := m.begin(ctx, "reset", ""); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.clear()
	return nil
}

// Close is Engine.Close.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.signal()
	return nil
}

// Events is Engine.Events.
func (m *Memory) Events(_ context.Context, filter string, after uint64) (Reader, error) {
	stream, err := streamOf(filter)
	if err == nil {
		err = checkFilter(filter)
	}
	if err != nil {
		return nil, err
	}
	return &memoryReader{memory: m, stream: stream, filter: filter, after: after}, nil
}

type memoryReader struct {
	memory         *Memory
	stream, filter string
	after          uint64
	closed         bool // guarded by memory.mu
}

func (r *memoryReader) Next(ctx context.Context) (e Event, err error) {
	err = r.memory.await(ctx, "event", r.filter, func() (bool, error) {
		if r.closed {
			return false, ErrClosed
		}
		var found []*memoryMessage
		for _, x := range r.memory.streams[r.stream].messages {
			if x.Seq > r.after && matches(r.filter, x.Subject) {
				found = append(found, x)
			}
		}
		if len(found) == 0 {
			return false, nil
		}
		e = found[0].Event
		e.Left = uint64(len(found) - 1)
		r.after = e.Seq
		return true, nil
	})
	return e, err
}

func (r *memoryReader) Close() error {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	r.closed = true
	r.memory.signal()
	return nil
}

// Take is Engine.Take.
func (m *Memory) Take(_ context.Context, o TakeOptions) (Taker, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return &memoryTaker{memory: m, options: o}, nil
}

// check refuses options that contradict each other.
func (o TakeOptions) check() error {
	if o.Hooks == (len(o.Pools) > 0) {
		return fmt.Errorf("taking: %w: expected either pools or hooks", ErrInvalid)
	}
	for _, p := range o.Pools {
		if err := CheckToken(p); err != nil {
			return err
		}
	}
	return nil
}
