package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"
)

// hostile is an invalid or malicious request. The response must have a status of 400 to 499 and a
// JSON error.
type hostile struct {
	name string
	raw  []byte // all that is sent over the connection
	slow bool   // the connection then stays open; else its sending side is closed
	// guarded requests go to the server that requires a token and a host name.
	guarded bool
	drip    time.Duration // pause between each of the last 40 bytes
}

// rawRequest makes the bytes of a request; headers are given as lines.
func rawRequest(method, target string, body []byte, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, target)
	for _, h := range headers {
		fmt.Fprintf(&b, "%s\r\n", h)
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

func hostileKinds(t *testing.T) []hostile {
	var all []hostile
	for _, list := range [][]hostile{hostileFiles(t), hostileParameters(t), hostileForms(t), hostilePaths(), hostileProtocol(t), hostileStrangers(t)} {
		all = append(all, list...)
	}
	return all
}

func TestHostileRequests(t *testing.T) {
	kinds := hostileKinds(t)
	seen := map[string]bool{}
	for _, k := range kinds {
		if seen[k.name] {
			t.Errorf("%q is in the table twice", k.name)
		}
		seen[k.name] = true
	}
	if len(kinds) < 200 {
		t.Errorf("%d kinds, expected at least 200", len(kinds))
	}
	c := configured(func(c *Config) {
		c.MaxBytes = 1 << 20
		c.MaxPixels = 1 << 20
		c.Memory = 128 << 20
		c.Timeout = 20 * time.Second
	})
	hasty := c
	hasty.patience = time.Second
	servers := targets{open: start(t, c), hasty: start(t, hasty)}
	c.Token, c.Hosts = "right", []string{"localhost"}
	servers.guarded = start(t, c)

	attack(t, kinds, servers)
	before := measure(servers)
	attack(t, kinds, servers) // a leak would show
	after := measure(servers)
	t.Logf("%d kinds: goroutines %d to %d, heap %d to %d kB", len(kinds), before.goroutines, after.goroutines, before.heap>>10, after.heap>>10)
	if after.goroutines > before.goroutines+2 {
		t.Errorf("%d goroutines, %d before\n%s", after.goroutines, before.goroutines, stacks())
	}
	if after.heap > before.heap+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before.heap, after.heap)
	}
	for _, s := range servers.all() {
		if in, work, out := s.in.used.Load(), s.work.used.Load(), s.out.used.Load(); in != 0 || work != 0 || out != 0 {
			t.Errorf("memory is still reserved: %d, %d, %d bytes", in, work, out)
		}
		if lines := s.log.errorLines(); len(lines) > 0 {
			t.Errorf("the server failed %d times: %.1000s", len(lines), lines[0])
		}
	}
	if a := servers.open.post("/v1/localize?maps=none", picturePNG(t, 16, 16)); a.status != http.StatusOK {
		t.Errorf("a good request afterwards: status %d, %s", a.status, a.body)
	}
}

// targets are the servers that are attacked: one with usual settings, one with short deadlines, and
// one that requires a token.
type targets struct{ open, hasty, guarded *running }

func (s targets) all() []*running { return []*running{s.open, s.hasty, s.guarded} }

// attack sends all requests, several at a time.
func attack(t *testing.T, kinds []hostile, servers targets) {
	t.Helper()
	var wait sync.WaitGroup
	places := make(chan struct{}, 16)
	for _, k := range kinds {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			s := servers.open
			switch {
			case k.guarded:
				s = servers.guarded
			case k.slow:
				s = servers.hasty
			}
			if problem := k.judge(s.addr); problem != "" {
				t.Errorf("%s: %s", k.name, problem)
			}
		})
	}
	wait.Wait()
}

// judge sends the request and says what is wrong with the response.
func (k hostile) judge(addr string) string {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		k.send(conn)
	}()
	defer func() { conn.Close(); <-sent }()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Sprintf("no response: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Sprintf("the response is cut: %v", err)
	}
	var e errorBody
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Sprintf("status %d with %.100q: not JSON: %v", response.StatusCode, body, err)
	}
	if response.StatusCode < 400 || response.StatusCode > 499 || e.Error.Code == "" || e.Error.Message == "" {
		return fmt.Sprintf("status %d with %.200q, expected 4xx and an error", response.StatusCode, body)
	}
	return ""
}

func (k hostile) send(conn net.Conn) {
	data := k.raw
	if k.drip > 0 {
		data = k.raw[:len(k.raw)-40]
	}
	_, _ = conn.Write(data) // the server may refuse it before the end
	for i := range len(k.raw) - len(data) {
		time.Sleep(k.drip)
		if _, err := conn.Write(k.raw[len(data)+i:][:1]); err != nil {
			return
		}
	}
	if !k.slow {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
}

type measured struct {
	goroutines int
	heap       uint64
}

// measure counts goroutines and heap once the servers are idle.
func measure(servers targets) measured {
	http.DefaultClient.CloseIdleConnections()
	last := -1
	for range 100 { // connections take a moment to end
		time.Sleep(20 * time.Millisecond)
		busy := int64(0)
		for _, s := range servers.all() {
			busy += s.in.used.Load() + s.work.used.Load() + s.out.used.Load()
		}
		n := runtime.NumGoroutine()
		if n == last && busy == 0 {
			break
		}
		last = n
	}
	time.Sleep(600 * time.Millisecond) // as long as net/http keeps a refused connection
	for _, s := range servers.all() {
		s.log.forget()
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return measured{runtime.NumGoroutine(), m.HeapAlloc}
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}
