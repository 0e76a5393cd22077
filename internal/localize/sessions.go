package localize

import (
	"context"
	"errors"
	"sync"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/parallel"
)

// maxSessions is how many shapes stay loaded: a folder of photographs has a
// few, and each costs some memory.
const maxSessions = 6

// sessions keeps a network's sessions by the shape of their input.
type sessions struct {
	load func(h, w int) (*engine.Session, error)

	mu    sync.Mutex
	kept  map[[2]int]*kept
	clock int // counts calls of get
}

type kept struct {
	ready   chan struct{} // closed when session or err is set
	session *engine.Session
	err     error
	users   int
	used    int // clock when it was last asked for
}

func newSessions(load func(h, w int) (*engine.Session, error)) *sessions {
	return &sessions{load: load, kept: map[[2]int]*kept{}}
}

// get returns the session for inputs of h x w pixels and loads it if needed. The session can be used until release
// is called. When ctx ends, a call that waits for another's loading returns; loading itself goes on.
func (s *sessions) get(ctx context.Context, h, w int) (session *engine.Session, release func(), err error) {
	key := [2]int{h, w}
	s.mu.Lock()
	k, ok := s.kept[key]
	if !ok {
		s.makeRoom()
		k = &kept{ready: make(chan struct{})}
		s.kept[key] = k
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

// makeRoom closes the session that was not asked for longest, if there are too
// many; those in use stay.
func (s *sessions) makeRoom() {
	if len(s.kept) < maxSessions {
		return
	}
	var oldest [2]int
	var found *kept
	for key, k := range s.kept {
		if k.users == 0 && (found == nil || k.used < found.used) {
			oldest, found = key, k
		}
	}
	if found == nil {
		return
	}
	delete(s.kept, oldest)
	if found.session != nil { // nil where loading failed a moment ago
		found.session.Close()
	}
}

// forget drops a session that could not be loaded, so that the next call tries
// again.
func (s *sessions) forget(key [2]int, k *kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept[key] == k {
		delete(s.kept, key)
	}
}

func (s *sessions) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for key, k := range s.kept {
		if k.session != nil {
			errs = append(errs, k.session.Close())
		}
		delete(s.kept, key)
	}
	return errors.Join(errs...)
}
