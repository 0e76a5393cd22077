package serve

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// links keeps maps in memory for a while, under names that cannot be guessed. The oldest are
// dropped when there is no room for new ones.
type links struct {
	room int64 // bytes
	ttl  time.Duration

	mu     sync.Mutex
	stored map[string]*linkedMaps
	order  []string // names in stored, the oldest first
	used   int64    // bytes
}

// mapExt ends the links to maps.
const mapExt = ".png"

type linkedMaps struct {
	maps    []namedPNG
	size    int64
	expires time.Time
}

func newLinks(room int64, ttl time.Duration) *links {
	return &links{room: room, ttl: ttl, stored: map[string]*linkedMaps{}}
}

// add stores the maps of a picture and gives their addresses, which begin with base.
func (l *links) add(maps []namedPNG, base string) (*mapURLs, error) {
	k := &linkedMaps{maps: maps, expires: time.Now().Add(l.ttl)}
	for _, m := range maps {
		k.size += int64(len(m.data))
	}
	if k.size > l.room {
		return nil, problemf(http.StatusRequestEntityTooLarge, codeLarge, "the maps have %d bytes, links are limited to %d: use maps=data", k.size, l.room)
	}
	id := rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	for l.used+k.size > l.room {
		l.dropOldest()
	}
	l.stored[id], l.order, l.used = k, append(l.order, id), l.used+k.size
	at := base + routeMaps + id + "/"
	urls := &mapURLs{
		Prob: at + viewProb + mapExt, Mask: at + viewMask + mapExt, Overlay: at + viewOverlay + mapExt,
		Expires: k.expires.UTC().Format(time.RFC3339),
	}
	for _, m := range maps {
		if m.name == viewConfidence {
			urls.Confidence = at + viewConfidence + mapExt
		}
	}
	return urls, nil
}

// get finds a map; nil if there is none, or its link has expired.
func (l *links) get(id, file string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.stored[id]
	if k == nil || k.expires.Before(time.Now()) {
		return nil
	}
	for _, m := range k.maps {
		if m.name+mapExt == file {
			return m.data
		}
	}
	return nil
}

// expire drops the maps whose links have expired. The caller holds l.mu.
func (l *links) expire(now time.Time) {
	for len(l.order) > 0 && l.stored[l.order[0]].expires.Before(now) {
		l.dropOldest()
	}
}

func (l *links) dropOldest() {
	l.used -= l.stored[l.order[0]].size
	delete(l.stored, l.order[0])
	l.order = l.order[1:]
}

// linkedMap handles GET /v1/maps/{id}/{view}.
func (s *Server) linkedMap(w http.ResponseWriter, r *request) error {
	data := s.links.get(r.PathValue("id"), r.PathValue("view"))
	if data == nil {
		return problemf(http.StatusNotFound, codeNotFound, "no map is found: links to maps expire after %v", s.config.LinkTTL)
	}
	h := w.Header()
	h.Set("Content-Type", typePNG)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		_, _ = s.patient(w).Write(data)
	}
	return nil
}
