package download

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/declip/declip/internal/files"
)

func expectMatch(t *testing.T, err error, pattern string) {
	t.Helper()
	if err == nil || !regexp.MustCompile(pattern).MatchString(err.Error()) {
		t.Errorf("error %v, expected one that matches %q", err, pattern)
	}
}

// A machine without a network does not wait.
func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close() // now nothing listens there
	r := Request{URL: "http://" + address + "/x", AllowHTTP: true, Path: filepath.Join(t.TempDir(), "x")}
	r.Notice = func(text string) { t.Errorf("notice %q, expected an immediate end", text) }
	_, err = (&Client{}).Get(t.Context(), r)
	var remote *RemoteError
	if !errors.As(err, &remote) || !remote.Unreachable {
		t.Fatalf("error %v, expected that it is unreachable", err)
	}
	expectMatch(t, err, "^http://"+address+"/x: dial tcp .*refused")
	expectFiles(t, r)
}

func TestOnlyHTTPS(t *testing.T) {
	s := serve(t, good("a", content))
	for _, address := range []string{s.URL, "ftp://127.0.0.1/x", "file:///etc/passwd", "x", "https:///x"} {
		r := Request{URL: address, Path: filepath.Join(t.TempDir(), "x")}
		_, err := quick.Get(t.Context(), r)
		expectMatch(t, err, "expected one that begins with https://")
		expectFiles(t, r)
	}
	s.expect(t)
}

func TestRedirects(t *testing.T) {
	target := serve(t, cut(1_000_000, good("a", content)), good("a", content))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+"/elsewhere?key=1", http.StatusFound)
	})
	r := fetching(t, s)
	if _, err := quick.Get(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectWhole(t, r, content)
	target.expect(t, "all", "bytes=1000000-")

	loop := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) })
	_, err := quick.Get(t.Context(), fetching(t, loop))
	expectMatch(t, err, "more than 10 redirects")
}

// A redirect never leads from an authenticated server to an unauthenticated one.
func TestRedirectToPlainHTTP(t *testing.T) {
	plain := serve(t, good("a", content))
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()
	d := &download{client: quick, request: Request{URL: secure.URL}, http: quick.transport()}
	d.http.Transport = secure.Client().Transport
	err := d.attempt(t.Context())
	expectMatch(t, err, "redirected from https to http://")
	var remote *RemoteError
	if !errors.As(err, &remote) || remote.again {
		t.Errorf("error %v, expected one that is not tried again", err)
	}
	plain.expect(t)
}

func TestUnknownCertificate(t *testing.T) {
	secure := httptest.NewUnstartedServer(good("a", content))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about this client
	secure.StartTLS()
	defer secure.Close()
	r := Request{URL: secure.URL + "/x", Path: filepath.Join(t.TempDir(), "x")}
	r.Notice = func(text string) { t.Errorf("notice %q, expected an immediate end", text) }
	_, err := quick.Get(t.Context(), r)
	expectMatch(t, err, "certificate")
	expectFiles(t, r)
}

// Of several concurrent downloads of one file, one continues.
func TestBusy(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-release
		good("a", content)(w, r)
	}, good("a", content))
	r := fetching(t, s)
	first := make(chan error)
	go func() {
		_, err := quick.Get(t.Context(), r)
		first <- err
	}()
	<-started
	if runtime.GOOS == "linux" || runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		_, err := quick.Get(t.Context(), r)
		if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), r.Path) {
			t.Errorf("error %v, expected ErrBusy and the path", err)
		}
	}
	close(release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	expectWhole(t, r, content)
	s.expect(t, "all")
}

// If many start at once, the file is right, and each one has downloaded it, finds it, or returns
// ErrBusy.
func TestRace(t *testing.T) {
	s := serve(t, good("a", content))
	r := fetching(t, s)
	r.Notice = nil
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for {
				_, err := quick.Get(t.Context(), r)
				if err == nil {
					return
				}
				if !errors.Is(err, ErrBusy) {
					t.Error(err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	group.Wait()
	expectWhole(t, r, content)
}

func TestDiskErrors(t *testing.T) {
	s := serve(t, good("a", content))
	r := fetching(t, s)
	file := filepath.Join(t.TempDir(), "file")
	leave(t, file, nil)
	r.Path = filepath.Join(file, "model.pt")
	if _, err := quick.Get(t.Context(), r); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file for a folder: error %v, expected one that names it", err)
	}
	r = fetching(t, s)
	if err := os.MkdirAll(r.Path+PartSuffix, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := quick.Get(t.Context(), r); err == nil || !strings.Contains(err.Error(), "model.pt.part") {
		t.Errorf("a folder for a part: error %v, expected one that names it", err)
	}
	s.expect(t)
}

// A file that cannot fit is refused before it fills the disk.
func TestNoRoom(t *testing.T) {
	if _, ok := files.FreeSpace(t.TempDir()); !ok {
		t.Skip("free space is not known here")
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", "4000000000000000000")
		w.WriteHeader(http.StatusOK)
	})
	r := fetching(t, s)
	r.MaxSize = 1 << 62
	_, err := quick.Get(t.Context(), r)
	expectMatch(t, err, `not enough space in .*models: 4000000000000\.0 MB are needed, \d+\.\d MB are free`)
	expectFiles(t, r)
}
