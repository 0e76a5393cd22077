package serve

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// links keeps maps in memory under names that cannot be guessed, for a while. The
// oldest go when there is no room for new ones.
type links struct {
	room int64 // bytes
	good time.Duration

	mu    sync.Mutex
	kept  map[string]*linkedMaps
	order []string // of kept, the oldest first
	used  int64
}

type linkedMaps struct {
	maps    []namedPNG
	size    int64
	expires time.Time
}

func newLinks(room int64, good time.Duration) *links {
	return &links{room: room, good: good, kept: map[string]*linkedMaps{}}
}

// add keeps the maps of a picture, and gives their addresses.
func (l *links) add(maps []namedPNG) (*mapURLs, error) {
	k := &linkedMaps{maps: maps, expires: time.Now().Add(l.good)}
	for _, m := range maps {
		k.size += int64(len(m.data))
	}
	if k.size > l.room {
		return nil, problemf(http.StatusRequestEntityTooLarge, codeLarge, "the maps have %d bytes, links are for at most %d: ask for maps=data", k.size, l.room)
	}
	id := rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	for l.used+k.size > l.room {
		l.dropOldest()
	}
	l.kept[id], l.order, l.used = k, append(l.order, id), l.used+k.size
	at := "/v1/maps/" + id + "/"
	return &mapURLs{
		Prob: at + viewProb + ".png", Mask: at + viewMask + ".png", Overlay: at + viewOverlay + ".png",
		Expires: k.expires.UTC().Format(time.RFC3339),
	}, nil
}

// get finds a map, nil if there is none or its time is over.
func (l *links) get(id, file string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kept[id]
	if k == nil || k.expires.Before(time.Now()) {
		return nil
	}
	for _, m := range k.maps {
		if m.name+".png" == file {
			return m.data
		}
	}
	return nil
}

func (l *links) expire(now time.Time) {
	for len(l.order) > 0 && l.kept[l.order[0]].expires.Before(now) {
		l.dropOldest()
	}
}

func (l *links) dropOldest() {
	l.used -= l.kept[l.order[0]].size
	delete(l.kept, l.order[0])
	l.order = l.order[1:]
}

// linked answers GET /v1/maps/{id}/{view}.
func (s *Server) linked(w http.ResponseWriter, r *request) error {
	data := s.links.get(r.PathValue("id"), r.PathValue("view"))
	if data == nil {
		return problemf(http.StatusNotFound, codeNotFound, "no map is found here: links to maps are good for %v", s.config.Links)
	}
	h := w.Header()
	h.Set("Content-Type", typePNG)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = s.patient(w).Write(data)
	}
	return nil
}
