package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// conversation sends raw bytes and gives all that the server sends until it closes the connection.
func conversation(t *testing.T, addr string, parts ...[]byte) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	for i, part := range parts {
		if i > 0 {
			time.Sleep(50 * time.Millisecond)
		}
		if _, err := c.Write(part); err != nil {
			break // the server has closed the connection
		}
	}
	data, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after %q: %v", data, err)
	}
	return string(data)
}

// statusLines are the status lines in what a server has sent.
func statusLines(sent string) (list []string) {
	for line := range strings.SplitSeq(sent, "\n") { // a body need not end in CR LF
		if at := strings.Index(line, "HTTP/1.1 "); at >= 0 {
			list = append(list, strings.TrimSpace(line[at:]))
		}
	}
	return list
}

// A request that is refused while its body is still unread gets one response, and is counted once:
// net/http reads what is left of the body under a deadline of its own.
func TestOneResponsePerRequest(t *testing.T) {
	s := start(t, configured(func(c *Config) {
		c.patience = 300 * time.Millisecond
		c.Hosts = []string{"localhost"}
	}))
	requests := 0
	for _, c := range []struct {
		target, header string
		status         int
	}{
		{"/nothing", "", 404},
		{"/v1/localize?x=1", "", 400},
		{"/v1/batch", "", 415},
		{"/v1/models", "", 405},
		{"/v1/localize", "Content-Encoding: gzip\r\n", 415},
		{"/v1/localize", "Sec-Fetch-Site: cross-site\r\n", 403},
		{"/v1/localize", "Content-Type: text/plain\r\n", 415},
	} {
		for _, size := range []int{1, 5000, 60_000, 2_000_000} {
			for _, chunked := range []bool{false, true} {
				body := bytes.Repeat([]byte("x"), size)
				head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n", c.target, c.header, size)
				if chunked {
					head = fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n", c.target, c.header, size)
					body = append(body, "\r\n0\r\n\r\n"...)
				}
				whole := append([]byte(head), body...)
				for _, parts := range [][][]byte{{whole}, {[]byte(head), body[:size/2], body[size/2:]}} {
					requests++
					sent := conversation(t, s.addr, parts...)
					lines := statusLines(sent)
					if len(lines) != 1 || !strings.HasPrefix(lines[0], fmt.Sprintf("HTTP/1.1 %d ", c.status)) {
						t.Errorf("%s %q with %d bytes in %d parts, chunked %v: %q, expected one status line with %d",
							c.target, c.header, size, len(parts), chunked, lines, c.status)
					}
				}
			}
		}
	}
	eventually(t, "each request is logged once", func() bool { return strings.Count(s.log.String(), `"msg":"request"`) >= requests })
	if n := strings.Count(s.log.String(), `"msg":"request"`); n != requests {
		t.Errorf("%d requests in the log, expected %d", n, requests)
	}
}

// Headers that do not arrive in time, and those that cannot be parsed, are refused by the
// connection itself. They are logged and counted like others.
func TestRefusedByTheConnection(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.patience = 200 * time.Millisecond }))
	for sent, status := range map[string]int{"POST /v1/localize HTTP/1.1\r\nHost: x\r\n": 408, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n": 400} {
		if lines := statusLines(conversation(t, s.addr, []byte(sent))); len(lines) != 1 || !strings.Contains(lines[0], fmt.Sprint(status)) {
			t.Errorf("%q: %q, expected status %d", sent, lines, status)
		}
		line := fmt.Sprintf(`"route":"other","status":%d`, status)
		eventually(t, "the refusal is logged", func() bool { return strings.Contains(s.log.String(), line) })
		metric := fmt.Sprintf(`declip_requests_total{route="other",status="%d"} 1`, status)
		if text := string(s.do(http.MethodGet, routeMetrics, nil).body); !strings.Contains(text, metric) {
			t.Errorf("/metrics lacks %s", metric)
		}
	}
}

// A request after another one on the same connection is still told that its headers are late.
func TestLateHeadersOfASecondRequest(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.patience = 200 * time.Millisecond }))
	sent := conversation(t, s.addr, []byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), []byte("GET /healthz HTTP/1.1\r\nHost:"))
	if lines := statusLines(sent); len(lines) != 2 || !strings.Contains(lines[1], "408") {
		t.Errorf("got %q, expected 200 and 408", lines)
	}
}

// A HEAD request that writes no body is logged with the status that the client gets.
func TestHeadIsLoggedWithItsStatus(t *testing.T) {
	s := start(t, testConfig())
	maps := decode[resultBody](t, s.post("/v1/localize?maps=links", picturePNG(t, 16, 16))).Maps
	if a := s.do(http.MethodHead, maps.Prob, nil); a.status != http.StatusOK {
		t.Fatalf("HEAD: status %d", a.status)
	}
	eventually(t, "the request is logged", func() bool { return strings.Contains(s.log.String(), `"method":"HEAD"`) })
	if log := s.log.String(); strings.Contains(log, `"status":0`) || !strings.Contains(log, `"method":"HEAD","route":"/v1/maps/{id}/{view}","status":200`) {
		t.Errorf("the log has %s", log)
	}
}

// brokenListener fails with an error a few times and then blocks until it is closed.
type brokenListener struct {
	net.Listener
	fails chan error
}

func (l *brokenListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.fails:
		return nil, err
	default:
		return l.Listener.Accept()
	}
}

// Running out of file descriptors is a warning in the log, once for a series of failures.
func TestNoFileDescriptors(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken := &brokenListener{inner, make(chan error, 5)}
	for range 5 {
		broken.fails <- &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	var reported []error
	l := newListener(broken, 1, connReport{failed: func(err error) { reported = append(reported, err) }})
	for range 5 {
		if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
			t.Fatal(err)
		}
	}
	l.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
	if len(reported) != 1 || !errors.Is(reported[0], syscall.EMFILE) {
		t.Errorf("reported %v, expected one EMFILE", reported)
	}
}
