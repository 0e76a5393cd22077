package cli

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// checkServer runs "declip serve --check" for an address.
func checkServer(ctx context.Context, addr string) (code int, output string) {
	var out bytes.Buffer
	code = Run(ctx, []string{"serve", "--check", "--addr", addr}, &out, &out)
	return code, out.String()
}

func TestServeCheck(t *testing.T) {
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" || r.Host != "localhost" {
			t.Errorf("the server is asked for %s of %s", r.URL.Path, r.Host)
		}
		w.WriteHeader(status)
	}))
	defer s.Close()
	addr := s.Listener.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{addr, ":" + port, "0.0.0.0:" + port, "localhost:" + port} {
		if code, output := checkServer(t.Context(), a); code != exitOK || !strings.HasPrefix(output, "server at ") || !strings.HasSuffix(output, ": ok\n") {
			t.Errorf("%s: exit code %d, %q", a, code, output)
		}
	}
	for _, status = range []int{http.StatusServiceUnavailable, http.StatusFound, http.StatusNotFound} {
		if code, output := checkServer(t.Context(), addr); code != exitFailed || !strings.Contains(output, "expected 200") {
			t.Errorf("status %d: exit code %d, %q", status, code, output)
		}
	}
	s.Close()
	if code, output := checkServer(t.Context(), addr); code != exitFailed || !strings.Contains(output, "refused") {
		t.Errorf("without a server: exit code %d, %q", code, output)
	}
	for _, a := range []string{"8080", "127.0.0.1:0", "127.0.0.1:", "a b:80"} {
		if code, output := checkServer(t.Context(), a); code != exitUsage || !strings.Contains(output, "--addr") {
			t.Errorf("%q: exit code %d, %q", a, code, output)
		}
	}
}

// A server that accepts connections and never responds is not alive.
func TestServeCheckEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if code, output := checkServer(ctx, l.Addr().String()); code != exitFailed {
		t.Errorf("exit code %d, %q", code, output)
	}
}

// A real server is found alive, also if it requires a token and another host name.
func TestServeCheckOfAServer(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := serving(t, "--allow-host", "declip.example", "--token-file", token)
	if code, output := checkServer(t.Context(), strings.TrimPrefix(address, "http://")); code != exitOK {
		t.Errorf("exit code %d, %q", code, output)
	}
}
