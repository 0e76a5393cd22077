package localize

import (
	"context"
	"errors"
	"sync"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/parallel"
)

// maxSessions is how many shapes stay loaded: a directory of photographs has a few, and each takes
// some memory.
const maxSessions = 6

// maxKept is the memory in bytes that the sessions of one network may keep, besides the last one.
const maxKept = 2 << 30

// sessions keeps a network's sessions by the shape of their input.
type sessions struct {
	load func(h, w int) (*engine.Session, error)
	// cost estimates the bytes that a session keeps: its weights, and the maps of its largest run,
	// whose memory it uses again. nil: few enough that maxSessions is bound enough.
	cost func(h, w int) int64

	mu    sync.Mutex
	slots map[[2]int]*slot
	clock int // counts calls of get
}

// slot holds the session of one shape, or the error of loading it.
type slot struct {
	ready   chan struct{} // closed when session or err is set
	session *engine.Session
	err     error
	users   int
	used    int   // clock when it was last asked for
	cost    int64 // in bytes
}

func newSessions(load func(h, w int) (*engine.Session, error)) *sessions {
	return &sessions{load: load, slots: map[[2]int]*slot{}}
}

// get returns the session for inputs of h x w pixels and loads it if needed. The session can be
// used until release is called. When ctx ends, a call that waits for another's loading returns;
// loading itself continues.
func (s *sessions) get(ctx context.Context, h, w int) (session *engine.Session, release func(), err error) {
	key := [2]int{h, w}
	s.mu.Lock()
	k, ok := s.slots[key]
	if !ok {
		k = &slot{ready: make(chan struct{})}
		if s.cost != nil {
			k.cost = s.cost(h, w)
		}
		s.makeRoom(k.cost)
		s.slots[key] = k
	}
	s.clock++
	k.used = s.clock
	k.users++
	s.mu.Unlock()

	release = func() {
		s.mu.Lock()
		k.users--
		s.mu.Unlock()
	}
	if ok {
		select {
		case <-k.ready:
		case <-ctx.Done():
			release()
			return nil, nil, ctx.Err()
		}
	} else {
		k.err = parallel.Catch(func() (err error) { // a panic must not leave the others waiting
			parallel.Point("load")
			k.session, err = s.load(h, w)
			return err
		})
		close(k.ready)
	}
	if k.err != nil {
		release()
		s.forget(key, k)
		return nil, nil, k.err
	}
	return k.session, release, nil
}

// makeRoom closes the least recently used sessions while there are too many for another one that
// keeps cost bytes. Those in use stay.
func (s *sessions) makeRoom(cost int64) {
	for _, k := range s.slots {
		cost += k.cost
	}
	for len(s.slots) >= maxSessions || cost > maxKept {
		var oldest [2]int
		var found *slot
		for key, k := range s.slots {
			if k.users == 0 && (found == nil || k.used < found.used) {
				oldest, found = key, k
			}
		}
		if found == nil {
			return
		}
		delete(s.slots, oldest)
		cost -= found.cost
		if found.session != nil { // nil where loading failed a moment ago
			found.session.Close()
		}
	}
}

// forget drops a session that could not be loaded, so that the next call tries again.
func (s *sessions) forget(key [2]int, k *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots[key] == k {
		delete(s.slots, key)
	}
}

func (s *sessions) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for key, k := range s.slots {
		if k.session != nil {
			errs = append(errs, k.session.Close())
		}
		delete(s.slots, key)
	}
	return errors.Join(errs...)
}
