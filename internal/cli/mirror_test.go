package cli

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// mirror serves the files of a directory, with the faults that a test asks for.
type mirror struct {
	dir   string
	limit int64  // bytes after which the first answer of each file ends; 0: never
	hang  bool   // it does not end then, it stops
	fail  string // a file that is answered with 404
	stop  chan struct{}

	mu   sync.Mutex
	seen map[string]bool
}

// scriptServe serves a directory and sets DECLIP_MIRROR to it:
// serve DIR [break=BYTES|hang=BYTES|missing=FILE]. With "proxy" instead of a
// directory, HTTP_PROXY is set to the server and DECLIP_MIRROR to a host that
// does not exist.
func scriptServe(ts *testscript.TestScript, _ bool, args []string) {
	m := &mirror{dir: ts.MkAbs(args[0]), seen: map[string]bool{}, stop: make(chan struct{})}
	proxy := false
	for _, arg := range args[1:] {
		way, value, _ := strings.Cut(arg, "=")
		switch way {
		case "break", "hang":
			_, err := fmt.Sscan(value, &m.limit)
			ts.Check(err)
			m.hang = way == "hang"
		case "missing":
			m.fail = value
		case "proxy":
			proxy = true
		default:
			ts.Fatalf("serve: %q is unknown", arg)
		}
	}
	server := httptest.NewServer(m)
	ts.Defer(func() {
		close(m.stop)
		server.Close()
	})
	ts.Setenv("DECLIP_MIRROR", server.URL+"/models")
	if proxy {
		ts.Setenv("HTTP_PROXY", server.URL)
		ts.Setenv("DECLIP_MIRROR", "http://mirror.invalid/models")
	}
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	data, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil || name == m.fail || !strings.HasPrefix(r.URL.Path, "/models/") {
		http.NotFound(w, r)
		return
	}
	m.mu.Lock()
	first := !m.seen[name]
	m.seen[name] = true
	m.mu.Unlock()
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(data)))
	w.Header().Set("Content-Type", "application/octet-stream")
	if m.limit > 0 && first {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:m.limit])
		w.(http.Flusher).Flush()
		if m.hang {
			<-m.stop
		}
		panic(http.ErrAbortHandler)
	}
	f, err := os.Open(filepath.Join(m.dir, name))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	http.ServeContent(w, r, "", time.Time{}, f)
}

// scriptAwait waits for a file of at least a size: await FILE BYTES.
func scriptAwait(ts *testscript.TestScript, _ bool, args []string) {
	size := int64(number(ts, args, 1))
	for range 2000 {
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil && info.Size() >= size {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	ts.Fatalf("%s does not reach %d bytes", args[0], size)
}
