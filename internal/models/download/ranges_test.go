package download

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Parts of different versions of a file are never joined.
func TestChangedMeanwhile(t *testing.T) {
	other := slices.Clone(content)
	slices.Reverse(other)
	for name, second := range map[string]http.HandlerFunc{
		"If-Range understood": good("b", other),
		"If-Range ignored": func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Range")
			good("b", other)(w, r)
		},
		"size told only": func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Range")
			good("", append(slices.Clone(other), 1))(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, cut(1_500_000, good("a", content)), second, good("b", other))
			r := fetching(t, s)
			r.SHA256 = ""
			var notices []string
			r.Notice = func(text string) { notices = append(notices, text) }
			got, err := quick.Get(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			expectWhole(t, r, other)
			if got.Resumed != 0 {
				t.Errorf("resumed %d bytes of another file", got.Resumed)
			}
			if !strings.Contains(strings.Join(notices, "\n"), "has changed at the server: starting over") {
				t.Errorf("notices %q do not say that the file has changed", notices)
			}
		})
	}
}

func TestServersWithoutRanges(t *testing.T) {
	plain := func(validator bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if validator {
				w.Header().Set("ETag", `"a"`)
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(content)
		}
	}
	weak := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `W/"a"`)
		plain(false)(w, r)
	}
	unknownLength := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		for part := range slices.Chunk(content, 100_000) {
			_, _ = w.Write(part)
			w.(http.Flusher).Flush()
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		ranges []string
	}{
		"ranges ignored": {plain(true), []string{"all", "bytes=1000000-"}},
		"no validator":   {plain(false), []string{"all", "all"}},
		"weak validator": {weak, []string{"all", "all"}},
		"unknown length": {unknownLength, []string{"all", "all"}},
		"refuses ranges": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			plain(true)(w, r)
		}, []string{"all", "bytes=1000000-", "all"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, cut(1_000_000, c.answer), c.answer)
			r := fetching(t, s)
			if _, err := quick.Get(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			expectWhole(t, r, content)
			s.expect(t, c.ranges...)
		})
	}
}

// Answers with wrong ranges lead to a restart, not to a corrupted file.
func TestWrongRanges(t *testing.T) {
	lying := func(header string, from int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"a"`)
			w.Header().Set("Content-Range", header)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content[from:])
		}
	}
	end := len(content)
	for name, answer := range map[string]http.HandlerFunc{
		"another start": lying(fmt.Sprintf("bytes 500000-%d/%d", end-1, end), 500_000),
		"another total": lying(fmt.Sprintf("bytes 1000000-%d/%d", end+9, end+10), 1_000_000),
		"no header":     lying("", 1_000_000),
		"nonsense":      lying("bytes x-y/z", 1_000_000),
		"too much":      lying(fmt.Sprintf("bytes 1000000-%d/%d", end-1, end), 900_000),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, cut(1_000_000, good("a", content)), answer, good("a", content))
			r := fetching(t, s)
			if _, err := quick.Get(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			expectWhole(t, r, content)
			s.expect(t, "all", "bytes=1000000-", "all")
		})
	}
}
