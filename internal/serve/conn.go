package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/declip/declip/internal/parallel"
)

// listener bounds the number of open connections; others wait to be accepted. Its connections turn
// the plain-text errors of net/http into JSON.
type listener struct {
	net.Listener
	report connReport
	places chan struct{}
	closed chan struct{}
	once   sync.Once
	began  time.Time
	warned atomic.Int64 // when the last failed Accept was reported, since began; 0: never
}

// connReport receives what no handler can report.
type connReport struct {
	refused func(c *conn, status int, code string) // a response that no handler sent
	failed  func(err error)                        // no connection could be accepted
}

func newListener(l net.Listener, conns int, report connReport) *listener {
	return &listener{Listener: l, report: report, began: time.Now(), places: make(chan struct{}, conns), closed: make(chan struct{})}
}

// acceptWarnings is the least time between two reports of failed calls of Accept. Without free file
// descriptors net/http tries again after 5 ms to a second.
const acceptWarnings = 10 * time.Second

// Accept is part of net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		l.warn(err)
		return nil, err
	}
	return &conn{Conn: c, refused: l.report.refused, release: sync.OnceFunc(func() { <-l.places })}, nil
}

// warn reports an error of Accept, but not each one of a series.
func (l *listener) warn(err error) {
	// Not by the wall clock, which may be set back.
	now, last := int64(time.Since(l.began)), l.warned.Load()
	if errors.Is(err, net.ErrClosed) || last != 0 && now-last < int64(acceptWarnings) || !l.warned.CompareAndSwap(last, now) {
		return
	}
	l.report.failed(err)
}

// Close is part of net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// conn is a connection on which every error is JSON. A request that cannot be parsed never reaches
// a handler: net/http responds with a line of text. To headers that do not arrive in time it does
// not respond at all.
type conn struct {
	net.Conn
	release func()
	refused func(c *conn, status int, code string)
	handled atomic.Bool  // a handler has begun to respond, and the next request is not awaited yet
	partial atomic.Int64 // bytes of the next request that were read
}

type connKey struct{}

// withConn makes the connection of a request available to beginHandling.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// beginHandling notes that a handler responds to a request. From then on the connection sends
// nothing of its own, until connState says that it waits for the next request: net/http still reads
// what is left of the body after the handler has returned.
func beginHandling(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.handled.Store(true)
	}
}

// connState is http.Server.ConnState.
func connState(n net.Conn, state http.ConnState) {
	if c, ok := n.(*conn); ok && state == http.StateIdle {
		c.partial.Store(0)
		c.handled.Store(false)
	}
}

// Read is part of net.Conn. net/http also calls it in a goroutine of its own, where a panic would
// end the process.
func (c *conn) Read(p []byte) (n int, err error) {
	defer parallel.Recover(&err)
	n, err = c.Conn.Read(p)
	if c.handled.Load() {
		return n, err
	}
	c.partial.Add(int64(n))
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.partial.Swap(0) > 0 {
		c.refuse(http.StatusRequestTimeout, codeTimeout, "the headers of the request did not arrive in time")
	}
	return n, err
}

// plainRefusal is what net/http sends between the status line and the text of an error.
var plainRefusal = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// Write is part of net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if c.handled.Load() {
		return c.Conn.Write(p)
	}
	c.partial.Store(0)
	head, text, plain := bytes.Cut(p, plainRefusal)
	switch {
	case plain && len(head) < 100 && bytes.HasPrefix(head, []byte("HTTP/1.1 ")):
		status, err := strconv.Atoi(string(head[9:min(12, len(head))]))
		// 501 and 505 are the client's fault, too.
		if err != nil || status >= http.StatusInternalServerError {
			status = http.StatusBadRequest
		}
		c.refuse(status, codeRequest, "the request cannot be read: "+string(text))
		return len(p), nil
	case bytes.HasPrefix(p, []byte("HTTP/1.1 417 ")): // which net/http sends without a body
		c.refuse(http.StatusExpectationFailed, codeRequest, "header Expect: expected 100-continue")
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// refuse sends an error and closes the connection afterwards.
func (c *conn) refuse(status int, code, message string) {
	body, _ := json.Marshal(errorBody{errorDetail{code, message}}) // strings can always be encoded
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	fmt.Fprintf(c.Conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		status, http.StatusText(status), len(body)+1, body)
	c.refused(c, status, code)
}

// Close is part of net.Conn.
func (c *conn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite closes the sending side, so that the client reads the response before the connection
// ends.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
