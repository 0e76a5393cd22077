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
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newListener(l net.Listener, conns int) *listener {
	return &listener{Listener: l, places: make(chan struct{}, conns), closed: make(chan struct{})}
}

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
		return nil, err
	}
	return &conn{Conn: c, release: sync.OnceFunc(func() { <-l.places })}, nil
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
	handled atomic.Bool  // a handler is responding
	partial atomic.Int64 // bytes read since the last response
}

type connKey struct{}

// withConn makes the connection of a request available to setHandling.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// setHandling notes that a handler begins or ends to respond on the connection of a request.
func setHandling(r *http.Request, yes bool) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.handled.Store(yes)
	}
}

// Read is part of net.Conn. net/http also calls it in a goroutine of its own, where a panic would
// end the process.
func (c *conn) Read(p []byte) (n int, err error) {
	defer parallel.Recover(&err)
	n, err = c.Conn.Read(p)
	c.partial.Add(int64(n))
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !c.handled.Load() && c.partial.Swap(0) > 0 {
		c.refuse(http.StatusRequestTimeout, codeTimeout, "the headers of the request did not arrive in time")
	}
	return n, err
}

// plainRefusal is what net/http sends between the status line and the text of an error.
var plainRefusal = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// Write is part of net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.partial.Store(0)
	if c.handled.Load() {
		return c.Conn.Write(p)
	}
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
