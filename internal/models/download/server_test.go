package download

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// content is what the servers below send: 3 MB without repetitions.
var content = func() []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 3_000_000)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}()

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// server answers the n-th request, from 0, with the n-th answer, and all later ones with the last.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // the Range of each request, "all" for none
}

func serve(t *testing.T, answers ...http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.asked)
		asked := r.Header.Get("Range")
		if asked == "" {
			asked = "all"
		}
		s.asked = append(s.asked, asked)
		s.mu.Unlock()
		answers[min(n, len(answers)-1)](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) expect(t *testing.T, ranges ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.asked, ranges) {
		t.Errorf("the server was asked for %q, expected %q", s.asked, ranges)
	}
}

// good serves data like a standard server, including ranges and If-Range.
func good(tag string, data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+tag+`"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// cut sends the first n bytes of an answer and then breaks the connection.
func cut(n int, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer(&cutter{w, n}, r)
		panic(http.ErrAbortHandler)
	}
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	take := min(c.left, len(p))
	n, err := c.ResponseWriter.Write(p[:take])
	if c.left -= n; c.left == 0 || err != nil {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

// Flush sends what was written.
func (c *cutter) Flush() { c.ResponseWriter.(http.Flusher).Flush() }

// stalled sends n bytes of the content, and nothing more until the client leaves.
func stalled(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:n])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// quick is a client that does not wait between attempts.
var quick = &Client{Attempts: 4, Backoff: time.Millisecond, Stall: 10 * time.Second}

// fetching is a download of a server's only file to a directory of the test's own.
func fetching(t *testing.T, s *server) Request {
	t.Helper()
	return Request{
		URL: s.URL + "/model.pt", AllowHTTP: true, SHA256: digest(content),
		Path:   filepath.Join(t.TempDir(), "models", "model.pt"),
		Notice: func(text string) { t.Log("notice:", text) },
	}
}

func expectWhole(t *testing.T, r Request, want []byte) {
	t.Helper()
	got, err := os.ReadFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes that differ from the %d sent", len(got), len(want))
	}
	expectFiles(t, r, filepath.Base(r.Path))
}

// expectFiles checks that the directory contains these files and no others.
func expectFiles(t *testing.T, r Request, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(r.Path))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, expected %q", got, want)
	}
}
