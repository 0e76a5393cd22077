package serve

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/serve/outbound"
)

// A picture that trickles in is given up, as a client's own body is.
func TestFetchFromASlowServer(t *testing.T) {
	s, source := fetching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 100 {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}))
	s.fetcher.patience = 300 * time.Millisecond
	began := time.Now()
	a := s.post("/v1/localize?url="+url.QueryEscape(source), nil)
	refused(t, a, http.StatusUnprocessableEntity, codeFetch)
	if took := time.Since(began); took > 3*time.Second || !strings.Contains(string(a.body), errSlow.Error()) {
		t.Errorf("after %v: %s", took, a.body)
	}
	eventually(t, "the memory is returned", func() bool { return s.in.used.Load() == 0 })
}

// Downloads in progress are bounded; others are refused at once.
func TestFetchesAtOnce(t *testing.T) {
	release := make(chan struct{})
	data := picturePNG(t, 16, 16)
	s, source := fetching(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write(data)
	}))
	target := "/v1/localize?maps=none&url=" + url.QueryEscape(source)
	first := make(chan reply, fetchesAtOnce)
	for range fetchesAtOnce {
		go func() {
			a, err := s.try(t.Context(), http.MethodPost, target, nil)
			if err != nil {
				t.Error(err)
			}
			first <- a
		}()
	}
	eventually(t, "all places are taken", func() bool { return len(s.fetcher.places) == fetchesAtOnce })
	a := s.post(target, nil)
	refused(t, a, http.StatusTooManyRequests, codeBusy)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(release)
	for range fetchesAtOnce {
		if a := <-first; a.status != http.StatusOK {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	}
	if len(s.fetcher.places) != 0 {
		t.Errorf("%d places are still taken", len(s.fetcher.places))
	}
}

// What a client learns does not depend on whether a name of the internal network exists, and has no
// address of it.
func TestFetchRevealsNothingInternal(t *testing.T) {
	s, _ := fetching(t, http.NotFoundHandler())
	missing := &net.DNSError{Err: "no such host", Name: "db.internal", Server: "10.0.0.53:53", IsNotFound: true}
	broken := &net.DNSError{Err: "i/o timeout", Name: "db.internal", Server: "10.0.0.53:53", IsTimeout: true}
	private := outbound.PublicOnly(addrPort("10.1.2.3:80"))
	want := fetchProblem(private)
	for _, err := range []error{missing, broken, outbound.PublicOnly(addrPort("[fd00::1]:443")), outbound.PublicOnly(addrPort("127.0.0.1:22"))} {
		wrapped := &url.Error{Op: "Get", URL: "http://db.internal/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
		if got := fetchProblem(wrapped); *got != *want {
			t.Errorf("%v: %+v, expected %+v", err, got, want)
		}
	}
	a, b := s.post("/v1/localize?url=http://localhost/", nil), s.post("/v1/localize?url=http://missing.invalid/", nil)
	if a.status != b.status || string(a.body) != string(b.body) {
		t.Errorf("an internal name: %d %s, one that does not exist: %d %s", a.status, a.body, b.status, b.body)
	}
	for _, err := range []error{
		fmt.Errorf("dial tcp 93.184.215.14:80: connect: connection refused"), errors.New("read udp 10.0.0.9:4321->10.0.0.53:53"),
		&net.OpError{Op: "dial", Net: "tcp", Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9)}, Err: errors.New("refused")},
	} {
		if p := fetchProblem(err); strings.ContainsAny(p.message, "0123456789") {
			t.Errorf("%v: %q has an address", err, p.message)
		}
	}
}

func addrPort(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
