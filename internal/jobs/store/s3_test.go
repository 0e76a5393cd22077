package store

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// fakeS3 starts a server on loopback with the bucket "test"; change may answer a request in its
// place.
func fakeS3(t *testing.T, change func(w http.ResponseWriter, r *http.Request) (answered bool)) (endpoint string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	backend := s3mem.New()
	no(t, backend.CreateBucket("test"))
	fake := gofakes3.New(backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change != nil && change(w, r) {
			return
		}
		// The fake does not know that a large object may have to be absent.
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && r.Header.Get("If-None-Match") == "*" {
			found := httptest.NewRecorder()
			fake.ServeHTTP(found, httptest.NewRequestWithContext(r.Context(), http.MethodHead, r.URL.Path, nil))
			if found.Code == http.StatusOK {
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func openFake(t *testing.T, endpoint, rest string, o Options) Store {
	t.Helper()
	s, err := Open(t.Context(), "s3://"+rest+"?tls=off&region=us-east-1&endpoint="+url.QueryEscape(endpoint), o)
	no(t, err)
	s.(*bucket).part = smallPart
	return s
}

func TestS3(t *testing.T) {
	suite(t, func(t *testing.T) (s, reading Store) {
		endpoint := fakeS3(t, nil)
		// Objects outside the prefix are not in the store.
		beside := openFake(t, endpoint, "test", Options{})
		put(t, beside, "deep/prefix-other", "x")
		put(t, beside, "deep/a", "x")
		return openFake(t, endpoint, "test/deep/prefix/", Options{}), openFake(t, endpoint, "test/deep/prefix", Options{ReadOnly: true})
	})
}

// What a server answers decides whether it is worth trying again.
func TestS3Errors(t *testing.T) {
	var status atomic.Int64
	endpoint := fakeS3(t, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(int(status.Load()))
		return true
	})
	s := openFake(t, endpoint, "test", Options{})
	for code, want := range map[int]error{
		http.StatusNotFound: ErrNotFound, http.StatusForbidden: ErrDenied, http.StatusPreconditionFailed: ErrExists,
		http.StatusConflict: ErrUnavailable, http.StatusNotImplemented: ErrUnavailable,
	} {
		status.Store(int64(code))
		_, err := s.Stat(t.Context(), "key")
		is(t, err, want, "key")
		is(t, s.PutIfAbsent(t.Context(), "key", strings.NewReader("x")), want, "key")
	}
	status.Store(http.StatusBadRequest)
	err := s.Put(t.Context(), "key", strings.NewReader("x"))
	for _, class := range []error{nil, ErrNotFound, ErrExists, ErrUnavailable, ErrDenied} {
		if errors.Is(err, class) {
			t.Errorf("a bad request is %v", err)
		}
	}
	none := openFake(t, "127.0.0.1:1", "test", Options{})
	_, err = none.Stat(t.Context(), "key")
	is(t, err, ErrUnavailable, "key")
	endpoint = fakeS3(t, nil)
	_, err = openFake(t, endpoint, "other", Options{}).Stat(t.Context(), "key")
	is(t, err, ErrNotFound, "key")
	for _, err := range openFake(t, endpoint, "other", Options{}).List(t.Context(), "") {
		is(t, err, ErrNotFound, "")
	}
}

// A server that ignores the condition that an object must not exist is found before anything is
// overwritten, and others are asked once.
func TestS3Conditions(t *testing.T) {
	var ignore atomic.Bool
	var conditional atomic.Int64
	endpoint := fakeS3(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "*" {
			conditional.Add(1)
			if ignore.Load() {
				r.Header.Del("If-None-Match")
			}
		}
		return false
	})
	s := openFake(t, endpoint, "test", Options{})
	for _, key := range []string{"a", "b", "c"} {
		no(t, s.PutIfAbsent(t.Context(), key, strings.NewReader(key)))
	}
	if n := conditional.Load(); n != 5 {
		t.Errorf("%d conditional requests for 3 objects, expected 5", n)
	}
	ignore.Store(true)
	s = openFake(t, endpoint, "test", Options{})
	put(t, s, "key", "old")
	for range 2 {
		err := s.PutIfAbsent(t.Context(), "key", strings.NewReader("new"))
		if err == nil || !strings.Contains(err.Error(), "If-None-Match") || errors.Is(err, ErrExists) {
			t.Errorf("got %v, expected that the condition is ignored", err)
		}
	}
	if got := get(t, s, "key"); got != "old" {
		t.Errorf("got %q, expected the old object", got)
	}
	if keys := listed(t, openFake(t, endpoint, "test", Options{}), "declip"); len(keys) > 0 {
		t.Errorf("%q are left", keys)
	}
}

// A connection that breaks in the middle of an object is an error that says to try again, not a
// short object.
func TestS3Broken(t *testing.T) {
	endpoint := fakeS3(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Last-Modified", "Mon, 30 Nov 2026 00:00:00 GMT")
		_, err := w.Write([]byte("half"))
		return err == nil
	})
	s := openFake(t, endpoint, "test", Options{})
	r, info, err := s.Get(t.Context(), "key")
	no(t, err)
	defer r.Close()
	if info.Size != 1000 {
		t.Fatalf("got %+v", info)
	}
	n := 0
	for err == nil {
		var k int
		k, err = r.Read(make([]byte, 100))
		n += k
	}
	if n != 4 {
		t.Fatalf("got %d bytes, expected 4", n)
	}
	is(t, err, ErrUnavailable, "key")
}
