package localize

import (
	"errors"
	"sync"

	"github.com/declip/declip/internal/nn/engine"
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

// get gives the session for inputs of h x w pixels, loading it if need be. The
// session is good until release is called.
func (s *sessions) get(h, w int) (session *engine.Session, release func(), err error) {
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

	if ok {
		<-k.ready
	} else {
		k.session, k.err = s.load(h, w)
		close(k.ready)
	}
	release = func() {
		s.mu.Lock()
		k.users--
		s.mu.Unlock()
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
