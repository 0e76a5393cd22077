package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
)

const (
	// streamsAtOnce is the number of responses that may follow jobs; further ones are refused.
	streamsAtOnce = 256
	// heartbeat is the time between two comments in a stream of events, so that proxies and clients
	// see that it lives.
	heartbeat = 15 * time.Second

	typeEvents  = "text/event-stream"
	typeParquet = "application/vnd.apache.parquet"
)

var resultTypes = map[string]string{schema.FormatJSONL: typeStream, schema.FormatParquet: typeParquet}

// errStopping ends the responses that follow a job when the server stops.
var errStopping = errors.New("the server is stopping")

// following bounds a response that follows a job: it ends with the request, when release is called,
// or when the server stops. There are at most streamsAtOnce.
func (s *Server) following(r *request) (ctx context.Context, release func(), err error) {
	select {
	case s.streams <- struct{}{}:
	default:
		return nil, nil, busy(jobRetry, "%d clients already follow jobs: try again later", streamsAtOnce)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	unhook := context.AfterFunc(s.life, func() { cancel(errStopping) })
	return ctx, func() {
		unhook()
		cancel(nil)
		<-s.streams
	}, nil
}

// jobResults handles GET /v1/jobs/{id}/results.
func (s *Server) jobResults(w http.ResponseWriter, r *request, c *jobs.Service) error {
	format, err := r.query.choice(paramFormat, schema.Formats)
	if err != nil {
		return err
	}
	o := jobs.ResultsOptions{Format: format}
	if o.Follow, err = r.query.flag(paramFollow); err != nil {
		return err
	}
	if r.query.has(paramAfter) {
		if o.After, err = strconv.Atoi(r.query.get(paramAfter)); err != nil {
			return problemf(http.StatusBadRequest, codeRequest, "%s=%.40q: expected a number of items", paramAfter, r.query.get(paramAfter))
		}
	}
	if format == schema.FormatParquet && (o.Follow || o.After > 0) {
		return problemf(http.StatusBadRequest, codeRequest, "%s and %s go with %s=%s only", paramFollow, paramAfter, paramFormat, schema.FormatJSONL)
	}
	st, err := c.Status(r.Context(), r.tenant, r.jobID())
	if err != nil {
		return err
	}
	if format == schema.FormatParquet && st.State != schema.Done {
		return fmt.Errorf("job %s is %s: there is Parquet when it is done: %w", st.ID, st.State, jobs.ErrState)
	}
	ctx, release, err := s.following(r)
	if err != nil {
		return err
	}
	defer release()
	out := newFollowWriter(w, func(h http.Header) {
		h.Set("Content-Type", resultTypes[format])
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", st.ID+"."+format))
	})
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err = c.Results(ctx, r.tenant, st.ID, o, out); err == nil {
		err = out.b.Flush()
	}
	return s.cut(ctx, r, out, err)
}

// cut ends a response that cannot be finished. If it has begun, the connection is cut, so that the
// client does not take what it has for the whole.
func (s *Server) cut(ctx context.Context, r *request, out *followWriter, err error) error {
	stopping := errors.Is(context.Cause(ctx), errStopping)
	switch {
	case err == nil:
		return nil
	case !out.begun && stopping:
		return s.stoppingProblem()
	case !out.begun && r.Context().Err() != nil:
		return r.Context().Err()
	case !out.begun:
		return err
	case stopping:
		r.log.problem = codeStopping
	case r.Context().Err() != nil:
		r.log.problem = codeLeft
	default:
		r.log.problem = s.explain(r.Request, r.log.id, err).code
	}
	panic(http.ErrAbortHandler)
}

// copyOrCut copies an object into a response that has begun.
func (s *Server) copyOrCut(r *request, w io.Writer, body io.Reader) error {
	if _, err := io.Copy(w, body); err != nil {
		r.log.problem = s.explain(r.Request, r.log.id, err).code
		panic(http.ErrAbortHandler)
	}
	return nil
}

// followWriter writes a response of any length. The client has writePatience for each part.
type followWriter struct {
	b       *bufio.Writer
	w       io.Writer
	control *http.ResponseController
	begun   bool
	err     error // of a Flush
}

// newFollowWriter begins a response; set sets its headers.
func newFollowWriter(w http.ResponseWriter, set func(http.Header)) *followWriter {
	set(w.Header())
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold the lines back
	f := &followWriter{w: w, control: http.NewResponseController(w)}
	f.b = bufio.NewWriterSize(part{f}, 32<<10)
	return f
}

// Write is part of io.Writer.
func (f *followWriter) Write(p []byte) (int, error) { return f.b.Write(p) }

// Flush sends what was written, and at first the headers.
func (f *followWriter) Flush() {
	if f.err = f.b.Flush(); f.err == nil {
		f.begun = true
		_ = f.control.SetWriteDeadline(time.Now().Add(writePatience))
		f.err = f.control.Flush()
	}
}

// part is the unbuffered side of a followWriter.
type part struct{ f *followWriter }

// Write is part of io.Writer.
func (p part) Write(data []byte) (int, error) {
	p.f.begun = true
	_ = p.f.control.SetWriteDeadline(time.Now().Add(writePatience))
	return p.f.w.Write(data)
}

// jobEvents handles GET /v1/jobs/{id}/events: the status of a job whenever it has changed, as
// server-sent events, until the job is over.
func (s *Server) jobEvents(w http.ResponseWriter, r *request, c *jobs.Service) error {
	if _, err := c.Status(r.Context(), r.tenant, r.jobID()); err != nil {
		return err
	}
	ctx, release, err := s.following(r)
	if err != nil {
		return err
	}
	defer release()
	out := newFollowWriter(w, func(h http.Header) { h.Set("Content-Type", typeEvents) })
	if r.Method == http.MethodHead {
		return nil
	}
	changes := make(chan jobs.Status)
	watched, stop := context.WithCancel(ctx)
	ended := parallel.Go(func() error {
		for st, err := range c.Watch(watched, r.tenant, r.jobID()) {
			if err != nil {
				return err
			}
			select {
			case changes <- st:
			case <-watched.Done():
			}
		}
		return nil
	})
	left := s.writeEvents(ctx, r, out, changes, ended)
	stop()
	if left {
		<-ended //nolint:errcheck // its reader is gone
	}
	return nil
}

// writeEvents writes the changes of a job until ended. left says that it has not read from ended.
func (s *Server) writeEvents(ctx context.Context, r *request, out *followWriter, changes <-chan jobs.Status, ended <-chan error) (left bool) {
	beat := time.NewTicker(s.config.heartbeat)
	defer beat.Stop()
	for {
		select {
		case st := <-changes:
			name := "status"
			if st.State.Over() {
				name = "end"
			}
			writeEvent(out, name, st)
		case <-beat.C:
			fmt.Fprint(out, ": alive\n\n") // an error shows when the client's connection ends ctx
		case err := <-ended:
			if err != nil && ctx.Err() == nil {
				p := s.explain(r.Request, r.log.id, s.jobProblem(r, err))
				r.log.problem = p.code
				writeEvent(out, "error", errorBody{errorDetail{p.code, p.message}})
				out.Flush()
			}
			return false
		case <-ctx.Done():
			return true
		}
		if out.Flush(); out.err != nil {
			return true
		}
	}
}

// writeEvent writes one event. JSON has no line breaks, so that its data is one line.
func writeEvent(out *followWriter, name string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // structs of plain fields can always be encoded
	}
	fmt.Fprintf(out, "event: %s\ndata: %s\n\n", name, text)
}
