package main

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a soak must notice, from a server that does it.
func TestCrowdNotices(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"half an answer": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"score":`))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "requests lost: valid, a picture: status 200, unexpected EOF"},
		"no answer":                    {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "requests lost: valid, a picture: status 0"},
		"another answer":               {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"score":2}`)) }, "requests lost: a picture: a wrong answer"},
		"status 500":                   {func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, "valid: status 500"},
		"status 503":                   {func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, "valid: status 503"},
		"status 429 without a time":    {func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) }, "429 without Retry-After"},
		"status 400 to a good request": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }, "a picture: status 400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a lost request is judged after two seconds
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) }))
			defer server.Close()
			l := &life{ended: make(chan struct{})}
			c := newCrowd(&program{url: server.URL}, options{queue: 1}, nil)
			v := &validRequest{name: "a picture", method: http.MethodPost, path: "/", want: `{"score":1}`}
			c.sendValid(l, v)
			if got := strings.Join(c.tally.broken(), "\n"); !strings.Contains(got, test.want) {
				t.Errorf("reported %q, expected %q", got, test.want)
			}
			l.asked.Store(true) // then the end of the process is the reason
			lost := sum(c.tally.lost)
			if _, _, _, err := v.send(context.Background(), c.client, "http://127.0.0.1:1"); err == nil {
				t.Fatal("port 1 answers")
			} else if c.unanswered(l, kindValid, v.name, 0, err); sum(c.tally.lost) != lost || c.tally.cut != 1 {
				t.Errorf("%d lost, %d cut off, expected %d and 1", sum(c.tally.lost), c.tally.cut, lost)
			}
		})
	}
}

// An answer that differs only in the time it took is the same.
func TestNormal(t *testing.T) {
	v := &validRequest{}
	same := v.normal([]byte(`{"a":[{"elapsed_ms":1,"score":2}],"elapsed_ms":3}`))
	if got := v.normal([]byte(`{"elapsed_ms":30,"a":[{"score":2,"elapsed_ms":10}]}`)); got != same {
		t.Errorf("%s and %s differ", got, same)
	}
	if got := v.normal([]byte(`{"elapsed_ms":30,"a":[{"score":2.5,"elapsed_ms":10}]}`)); got == same {
		t.Error("another score is not noticed")
	}
}

func TestGrowth(t *testing.T) {
	// Three processes of different size that grow by 3 MB a minute, and vary by 1 MB.
	var s samples
	for _, offset := range []float64{100, 250, 180} {
		s.begin()
		last := &s.lives[len(s.lives)-1]
		for i := range 100 {
			minutes := float64(i) / 20
			*last = append(*last, sample{minutes, offset + 3*minutes + float64(i%2)})
		}
	}
	g := s.growth()
	if math.Abs(g.slope-3) > 0.1 || g.deviation <= 0 || g.deviation > 0.1 || g.samples != 300 || g.lives != 3 {
		t.Errorf("got %v, expected 3 MB a minute from 300 samples of 3 processes", g)
	}
	if got := (&samples{}).growth().String(); !strings.Contains(got, "too few") {
		t.Errorf("without samples: %s", got)
	}
}

func TestCheckArchive(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		".x.json.1.tmp": "{", "a.lite.json": "{}", "b.lite.json": "{", "c.lite.prob.png": "\x89PNG", "d.jpeg": "x",
		"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881.jpeg": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole, broken := checkArchive(dir)
	if whole != 2 || len(broken) != 3 {
		t.Errorf("%d files are whole, expected 2; broken, expected 3: %q", whole, broken)
	}
}
