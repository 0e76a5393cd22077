package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhole(t *testing.T) {
	s := serve(t, good("a", content))
	r := fetching(t, s)
	var last, total int64
	r.Progress = func(done, of int64) {
		if done < last {
			t.Errorf("progress goes from %d back to %d", last, done)
		}
		last, total = done, of
	}
	got, err := quick.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	expectWhole(t, r, content)
	if want := (Result{Size: int64(len(content)), SHA256: digest(content)}); got != want {
		t.Errorf("result %+v, expected %+v", got, want)
	}
	if last != int64(len(content)) || total != last {
		t.Errorf("progress ends at %d of %d, expected %d", last, total, len(content))
	}
	// An existing file is not downloaded again.
	got, err = quick.Get(t.Context(), r)
	if err != nil || !got.Existed {
		t.Errorf("second time: %+v, %v; expected that it exists", got, err)
	}
	s.expect(t, "all")
	expectFiles(t, r, "model.pt")
}

// An interrupted download is resumed, in the same run and in a later one.
func TestResume(t *testing.T) {
	s := serve(t, cut(1_200_000, good("a", content)), cut(700_000, good("a", content)), good("a", content))
	r := fetching(t, s)
	impatient := &Client{Attempts: 1}
	if _, err := impatient.Get(t.Context(), r); err == nil {
		t.Fatal("no error after a broken connection and a single attempt")
	}
	expectFiles(t, r, "model.pt.part", "model.pt.part.json")
	got, err := quick.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	expectWhole(t, r, content)
	if got.Resumed != 1_200_000 {
		t.Errorf("resumed %d bytes, expected 1200000", got.Resumed)
	}
	s.expect(t, "all", "bytes=1200000-", "bytes=1900000-")
}

// Slow progress does not count as failure.
func TestManyBreaks(t *testing.T) {
	s := serve(t, cut(minProgress, good("a", content)), cut(10, good("a", content)), cut(10, good("a", content)),
		cut(minProgress, good("a", content)), cut(10, good("a", content)), cut(10, good("a", content)), good("a", content))
	r := fetching(t, s)
	if _, err := quick.Get(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectWhole(t, r, content)
}

func TestTransient(t *testing.T) {
	s := serve(t, status(500), status(503), status(429), good("a", content))
	r := fetching(t, s)
	if _, err := quick.Get(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectWhole(t, r, content)
}

func TestRefused(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<html>please log in</html>")
	}
	packed := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(content)
	}
	partial := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(content)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
		asked  int
	}{
		"not found":  {status(404), "404 Not Found", 1},
		"forbidden":  {status(403), "403 Forbidden", 1},
		"always 500": {status(500), "gave up after 4 attempts: .*500", 4},
		"web page":   {page, "got a web page", 1},
		"packed":     {packed, "is compressed \\(gzip\\)", 1},
		"a part":     {partial, "got a part of the file", 1},
		"empty":      {func(http.ResponseWriter, *http.Request) {}, "the file is empty", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answer)
			r := fetching(t, s)
			_, err := quick.Get(t.Context(), r)
			var remote *RemoteError
			if !errors.As(err, &remote) || remote.URL != r.URL || remote.Unreachable {
				t.Fatalf("error %v, expected one of the server at %s", err, r.URL)
			}
			expectMatch(t, err, c.want)
			expectFiles(t, r)
			if len(s.asked) != c.asked {
				t.Errorf("the server was asked %d times, expected %d", len(s.asked), c.asked)
			}
		})
	}
}

// Retry-After is respected, within limits.
func TestRetryAfter(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}, good("a", content))
	r := fetching(t, s)
	start := time.Now()
	if _, err := quick.Get(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(start); waited < time.Second {
		t.Errorf("waited %v, the server asked for a second", waited)
	}
}

func TestStalled(t *testing.T) {
	s := serve(t, stalled(1_000_000), good("a", content))
	r := fetching(t, s)
	var notices []string
	r.Notice = func(text string) { notices = append(notices, text) }
	hasty := &Client{Stall: time.Second, Backoff: time.Millisecond}
	got, err := hasty.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	expectWhole(t, r, content)
	if got.Resumed != 0 || len(notices) != 1 || !strings.Contains(notices[0], "no data for 1s") {
		t.Errorf("resumed %d, notices %q: expected one that says that no data", got.Resumed, notices)
	}
	s.expect(t, "all", "bytes=1000000-")
}

// A cancelled download is resumed later.
func TestCancelled(t *testing.T) {
	// The rest stalls although the first part was fast.
	s := serve(t, stalled(2_000_000), good("a", content))
	r := fetching(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	r.Progress = func(done, _ int64) {
		if done > 1_000_000 {
			cancel()
		}
	}
	if _, err := quick.Get(ctx, r); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, expected that it was cancelled", err)
	}
	expectFiles(t, r, "model.pt.part", "model.pt.part.json")
	r.Progress = nil
	got, err := quick.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got.Resumed < 1_000_000 {
		t.Errorf("resumed %d bytes, expected over a million", got.Resumed)
	}
	expectWhole(t, r, content)
}

func TestMismatch(t *testing.T) {
	sum := crcText(crc32.Checksum(content, castagnoli))
	google := func(sum string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("X-Goog-Hash", "crc32c="+sum)
			w.Header().Add("X-Goog-Hash", "md5=AAAA")
			good("a", content)(w, r)
		}
	}
	t.Run("sha256", func(t *testing.T) {
		s := serve(t, good("a", content[1:]))
		r := fetching(t, s)
		_, err := quick.Get(t.Context(), r)
		if !errors.Is(err, ErrMismatch) {
			t.Fatalf("error %v, expected ErrMismatch", err)
		}
		expectMatch(t, err, "is "+digest(content[1:])+", expected "+digest(content))
		expectFiles(t, r)
	})
	t.Run("crc", func(t *testing.T) {
		s := serve(t, google("AAAAAA=="))
		r := fetching(t, s)
		r.SHA256 = ""
		_, err := quick.Get(t.Context(), r)
		if !errors.Is(err, ErrMismatch) {
			t.Fatalf("error %v, expected ErrMismatch", err)
		}
		expectFiles(t, r)
		s = serve(t, google(sum))
		r.URL = s.URL
		if _, err := quick.Get(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		expectWhole(t, r, content)
	})
	t.Run("check", func(t *testing.T) {
		s := serve(t, good("a", content))
		r := fetching(t, s)
		r.Check = func(path string) error {
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				t.Errorf("the check sees %d bytes, %v", len(got), err)
			}
			return errors.New("no checkpoint")
		}
		_, err := quick.Get(t.Context(), r)
		if !errors.Is(err, ErrMismatch) {
			t.Fatalf("error %v, expected ErrMismatch", err)
		}
		expectMatch(t, err, "no checkpoint")
		expectFiles(t, r)
	})
}

// A part whose note is missing, of another file or broken is not resumed.
func TestForeignPart(t *testing.T) {
	for name, note := range map[string]string{
		"none":          "",
		"broken":        `{"url":`,
		"another file":  `{"url":"https://example.org/x","etag":"\"a\"","size":3000000}`,
		"no validator":  `{"url":"URL","size":3000000}`,
		"longer":        `{"url":"URL","etag":"\"a\"","size":10}`,
		"null":          `null`,
		"wrong type":    `{"url":"URL","etag":7,"size":3000000}`,
		"negative size": `{"url":"URL","size":-5}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, good("a", content))
			r := fetching(t, s)
			if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
				t.Fatal(err)
			}
			leave(t, r.Path+PartSuffix, []byte("something else"))
			leave(t, r.Path+NoteSuffix, []byte(strings.ReplaceAll(note, "URL", r.URL)))
			if _, err := quick.Get(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			expectWhole(t, r, content)
			s.expect(t, "all")
		})
	}
}

// A complete part is only renamed.
func TestCompletePart(t *testing.T) {
	s := serve(t, status(500))
	r := fetching(t, s)
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
		t.Fatal(err)
	}
	leave(t, r.Path+PartSuffix, content)
	leave(t, r.Path+NoteSuffix, fmt.Appendf(nil, `{"url":%q,"etag":"\"a\"","size":%d}`, r.URL, len(content)))
	got, err := quick.Get(t.Context(), r)
	if err != nil || got.Resumed != int64(len(content)) {
		t.Fatalf("%+v, %v", got, err)
	}
	expectWhole(t, r, content)
	s.expect(t)
}

func leave(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A file of another length than expected is given up at once, whether or not the server sends its
// length.
func TestUnexpectedSize(t *testing.T) {
	untold := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.(http.Flusher).Flush() // chunked from here on
		_, _ = w.Write(content)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		size   int64
		fits   bool
	}{
		"right":              {good("a", content), int64(len(content)), true},
		"right, untold":      {untold, int64(len(content)), true},
		"too long":           {good("a", content), 1000, false},
		"too long, untold":   {untold, 1000, false},
		"too short":          {good("a", content[:1000]), int64(len(content)), false},
		"one byte too short": {good("a", content[:len(content)-1]), int64(len(content)), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answer)
			r := fetching(t, s)
			r.Size = c.size
			_, err := quick.Get(t.Context(), r)
			s.expect(t, "all")
			if c.fits {
				if err != nil {
					t.Fatal(err)
				}
				expectWhole(t, r, content)
				return
			}
			if !errors.Is(err, ErrMismatch) {
				t.Errorf("error %v, expected %v", err, ErrMismatch)
			}
			expectFiles(t, r)
		})
	}
}
