package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// entry is a request's line in the log, and the writer that fills it in.
type entry struct {
	http.ResponseWriter
	id      string
	start   time.Time
	route   string
	status  int
	bytes   int64
	problem string

	model  string
	pixels int64
	read   int64
}

type entryKey struct{}

func newEntry(w http.ResponseWriter, r *http.Request) *entry {
	e := &entry{ResponseWriter: w, id: rand.Text()[:12], start: time.Now(), route: "other"}
	w.Header().Set("X-Request-Id", e.id)
	return e
}

func (s *Server) entry(r *http.Request) *entry { return r.Context().Value(entryKey{}).(*entry) }

// Unwrap is for http.ResponseController.
func (e *entry) Unwrap() http.ResponseWriter { return e.ResponseWriter }

func (e *entry) WriteHeader(status int) {
	if e.status == 0 {
		e.status = status
	}
	e.ResponseWriter.WriteHeader(status)
}

func (e *entry) Write(p []byte) (int, error) {
	if e.status == 0 {
		e.status = http.StatusOK
	}
	n, err := e.ResponseWriter.Write(p)
	e.bytes += int64(n)
	return n, err
}

// finish counts and logs a request; no word of it comes from the picture.
func (s *Server) finish(e *entry, r *http.Request, panicked any) {
	if panicked != nil {
		if panicked == http.ErrAbortHandler {
			panic(panicked)
		}
		s.config.Log.Error("panic", "id", e.id, "error", fmt.Sprint(panicked), "stack", string(debug.Stack()))
		if e.status != 0 {
			panic(http.ErrAbortHandler) // the client must not take a part for the whole
		}
		refuse(e, r, asProblem(errors.New("panic")))
	}
	status := e.status
	if e.problem == codeLeft {
		status = statusLeft
	}
	took := time.Since(e.start)
	s.stats.answered(e.route, status, took)
	s.stats.bytesIn.Add(float64(e.read))
	level := slog.LevelInfo
	if e.route == "/healthz" || e.route == "/readyz" || e.route == "/metrics" {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("id", e.id), slog.String("client", r.RemoteAddr), slog.String("method", shown(r.Method)), slog.String("route", e.route),
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
