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
)

// listener bounds the connections that are open at once: more wait to be
// accepted. Its connections answer in JSON what net/http answers in words.
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

// conn is a connection whose every refusal is JSON. What cannot be read as a
// request never reaches a handler: net/http answers it with a line of text, and
// a head that does not arrive in time with nothing.
type conn struct {
	net.Conn
	release func()
	handled atomic.Bool  // a handler has the request
	partial atomic.Int64 // bytes that were read since the last answer
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// handling notes that a handler has a connection's request.
func handling(r *http.Request, yes bool) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.handled.Store(yes)
	}
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.partial.Add(int64(n))
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !c.handled.Load() && c.partial.Swap(0) > 0 {
		c.refuse(http.StatusRequestTimeout, codeTimeout, "the request's head did not arrive in time")
	}
	return n, err
}

// plainRefusal is how net/http ends what it refuses, after the status line.
var plainRefusal = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

func (c *conn) Write(p []byte) (int, error) {
	c.partial.Store(0)
	if c.handled.Load() {
		return c.Conn.Write(p)
	}
	head, text, plain := bytes.Cut(p, plainRefusal)
	switch {
	case plain && len(head) < 100 && bytes.HasPrefix(head, []byte("HTTP/1.1 ")):
		status, err := strconv.Atoi(string(head[9:min(12, len(head))]))
		if err != nil || status >= http.StatusInternalServerError { // 501 and 505 are the client's fault too
			status = http.StatusBadRequest
		}
		c.refuse(status, codeRequest, "the request cannot be read: "+string(text))
		return len(p), nil
	case bytes.HasPrefix(p, []byte("HTTP/1.1 417 ")): // which net/http says without a word
		c.refuse(http.StatusExpectationFailed, codeRequest, "the header Expect asks for something else than 100-continue")
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *conn) refuse(status int, code, message string) {
	body, _ := json.Marshal(errorBody{errorDetail{code, message}}) // two strings can be encoded
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	fmt.Fprintf(c.Conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		status, http.StatusText(status), len(body)+1, body)
}

// Close is part of net.Conn.
func (c *conn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite ends this side, so that the other one finds the answer before the
// end.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
