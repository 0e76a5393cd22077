package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

const headerRequestID = "X-Request-Id"

// accessLog collects what the log says about a request. It is also the request's response writer,
// which notes the status and the bytes written.
type accessLog struct {
	http.ResponseWriter
	id      string
	start   time.Time
	route   string
	status  int   // 0: the response has not begun
	bytes   int64 // of the response's body
	problem string

	model  string
	pixels int64
	read   int64 // bytes of the request's body
}

type accessLogKey struct{}

// otherRoute is the route of requests for unknown paths.
const otherRoute = "other"

func newAccessLog(w http.ResponseWriter) *accessLog {
	e := &accessLog{ResponseWriter: w, id: rand.Text()[:12], start: time.Now(), route: otherRoute}
	w.Header().Set(headerRequestID, e.id)
	return e
}

// accessLogOf gives the log entry of a request that passed the middleware.
func accessLogOf(r *http.Request) *accessLog { return r.Context().Value(accessLogKey{}).(*accessLog) }

// Unwrap is for http.ResponseController.
func (e *accessLog) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// WriteHeader is part of http.ResponseWriter.
func (e *accessLog) WriteHeader(status int) {
	if e.status == 0 {
		e.status = status
	}
	e.ResponseWriter.WriteHeader(status)
}

// Write is part of http.ResponseWriter.
func (e *accessLog) Write(p []byte) (int, error) {
	if e.status == 0 {
		e.status = http.StatusOK
	}
	n, err := e.ResponseWriter.Write(p)
	e.bytes += int64(n)
	return n, err
}

// finish counts and logs a request; err is that of a panic. If the response has begun by then, the
// connection is cut, so that the client does not take a part of a response for the whole.
func (s *Server) finish(e *accessLog, r *http.Request, err error) {
	abort := errors.Is(err, http.ErrAbortHandler)
	if err != nil && !abort {
		abort = e.status != 0
		s.writeError(e, r, e, err)
	}
	s.logRequest(e, r)
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// logRequest logs nothing that comes from the picture.
func (s *Server) logRequest(e *accessLog, r *http.Request) {
	status := e.status
	switch {
	case e.problem == codeLeft:
		status = statusLeft
	case status == 0: // net/http sends 200 if the handler has written nothing
		status = http.StatusOK
	}
	took := time.Since(e.start)
	s.stats.answered(e.route, status, took)
	s.stats.bytesIn.Add(float64(e.read))
	level := slog.LevelInfo
	often := e.route == routeHealth || e.route == routeReady || e.route == routeMetrics
	if often || e.route == routeAssets && status < http.StatusBadRequest { // says nothing of the use
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("id", e.id), slog.String("client", r.RemoteAddr), slog.String("method", printable(r.Method)), slog.String("route", e.route),
		slog.Int("status", status), slog.Float64("ms", float64(took.Microseconds())/1000), slog.Int64("read", e.read), slog.Int64("written", e.bytes),
	}
	if e.model != "" {
		attrs = append(attrs, slog.String("model", e.model), slog.Int64("pixels", e.pixels))
	}
	if e.problem != "" {
		attrs = append(attrs, slog.String("problem", e.problem))
	}
	s.config.Log.LogAttrs(context.Background(), level, "request", attrs...)
}

// logRefused counts and logs a request that no handler saw, because it could not be parsed or its
// headers did not arrive in time.
func (s *Server) logRefused(c *conn, status int, code string) {
	s.stats.answered(otherRoute, status, 0)
	s.config.Log.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("client", c.RemoteAddr().String()),
		slog.String("route", otherRoute), slog.Int("status", status), slog.String("problem", code))
}

// logAcceptError warns that connections cannot be accepted, mostly because the process has no file
// descriptors left.
func (s *Server) logAcceptError(err error) {
	s.config.Log.Warn("connections cannot be accepted", "error", err.Error())
}
