package serve

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// bodyRate is the least number of bytes per second that a client must send on average. It must also
// send something within each Limits.patience. Otherwise it is treated as stalled.
const bodyRate = 16 << 10

// body reads the body of a request, within a memory budget and the deadlines for the client.
type body struct {
	r        io.Reader
	what     string // that is read, for error messages
	control  *http.ResponseController
	start    time.Time
	patience time.Duration
	deadline time.Time // of the whole request
	read     int64     // bytes received
	budget   *budget
	taken    int64 // bytes of the budget
	retry    func() time.Duration
}

func (s *Server) newBody(w http.ResponseWriter, r *http.Request, deadline time.Time) *body {
	return &body{
		r: r.Body, what: "picture", control: http.NewResponseController(w), start: time.Now(), patience: s.config.patience, deadline: deadline,
		budget: s.in, retry: s.retryAfter,
	}
}

// Read is part of io.Reader.
func (b *body) Read(p []byte) (int, error) {
	until := time.Now().Add(b.patience)
	for _, limit := range []time.Time{b.start.Add(b.patience + time.Duration(b.read)*time.Second/bodyRate), b.deadline} {
		if limit.Before(until) {
			until = limit
		}
	}
	_ = b.control.SetReadDeadline(until) // the limits of the connection remain if it fails
	n, err := b.r.Read(p)
	b.read += int64(n)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = problemf(http.StatusRequestTimeout, codeTimeout, "the %s did not arrive in time: %d bytes in %.0f s",
			b.what, b.read, time.Since(b.start).Seconds())
	default:
		err = problemf(http.StatusBadRequest, codeRequest, "the body cannot be read: %v", err)
	}
	return n, err
}

// finish removes the deadline once everything was read. net/http keeps reading, to notice that
// the client leaves.
func (b *body) finish() { _ = b.control.SetReadDeadline(time.Time{}) }

// gather reads r, a part of the body, to its end: at most limit bytes. Memory is taken from the
// budget as bytes arrive, not as they are announced, so that many clients that announce much and
// send little do not use it up.
func (b *body) gather(r io.Reader, limit int64) ([]byte, error) {
	var data []byte
	for {
		if len(data) == cap(data) {
			size := min(max(32<<10, 2*int64(cap(data))), limit+1)
			if int64(len(data)) > limit {
				return nil, tooManyBytes(b.what, limit)
			}
			if !b.budget.tryTake(size - int64(cap(data))) {
				return nil, busy(b.retry(), "the memory for pictures is used up: try again later")
			}
			b.taken += size - int64(cap(data))
			data = append(make([]byte, 0, size), data...)
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			if int64(len(data)) > limit {
				return nil, tooManyBytes(b.what, limit)
			}
			return data, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func tooManyBytes(what string, limit int64) error {
	return problemf(http.StatusRequestEntityTooLarge, codeLarge, "the %s has more than %d bytes, which is the limit", what, limit)
}

// release returns the memory to the budget.
func (b *body) release() {
	b.budget.give(b.taken)
	b.taken = 0
}
