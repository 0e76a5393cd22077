package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// JetStream is an Engine on NATS JetStream: embedded, see Start, or over a network, see Connect.
type JetStream struct {
	conn     *nats.Conn
	js       jetstream.JetStream
	settings settings
	life     context.Context // ends with Close
	end      context.CancelCauseFunc
	server   io.Closer // closed with the connection; nil if there is none
	calls    calls
	healing  healing

	mu   sync.Mutex
	open map[io.Closer]bool // takers, readers and watchers
}

// attempt is how long an answer is waited for before the request is repeated.
const attempt = 5 * time.Second

func newJetStream(conn *nats.Conn, s settings, server io.Closer) (*JetStream, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	e := &JetStream{conn: conn, js: js, settings: s, server: server, open: map[io.Closer]bool{}}
	e.life, e.end = context.WithCancelCause(context.Background())
	return e, nil
}

// Close is Engine.Close.
func (e *JetStream) Close() error {
	e.mu.Lock()
	open := e.open
	e.open = nil
	e.mu.Unlock()
	if open == nil { // it was closed before
		return nil
	}
	var all []error
	for c := range open {
		all = append(all, c.Close())
	}
	e.end(ErrClosed)
	// What was published without waiting, such as messages that were dropped, goes out first.
	if e.conn.IsConnected() {
		if err := e.conn.FlushTimeout(attempt); err != nil {
			all = append(all, err)
		}
	}
	e.conn.Close()
	if e.server != nil {
		all = append(all, e.server.Close())
	}
	return errors.Join(all...)
}

// add keeps c to be closed with the engine.
func (e *JetStream) add(c io.Closer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil {
		return ErrClosed
	}
	e.open[c] = true
	return nil
}

func (e *JetStream) remove(c io.Closer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, c)
}

// call makes a request to a subject of the servers until it is answered: f is repeated while its
// error is of the class ErrUnavailable. It ends with ctx, and with the first word that the subject
// is denied.
func (e *JetStream) call(ctx context.Context, subject string, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer e.calls.add(subject, cancel)()
	stop := context.AfterFunc(e.life, func() { cancel(ErrClosed) })
	defer stop()
	if ctx.Err() != nil { // the servers were not asked
		return context.Cause(ctx)
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		once, done := context.WithTimeout(ctx, attempt)
		err := class(f(once))
		done()
		if ctx.Err() != nil && err != nil {
			return ended(ctx, err)
		}
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		e.settings.log.Debug("the queue does not answer", slog.String("request", subject), slog.Any("error", err))
		select {
		case <-ctx.Done():
			return ended(ctx, err)
		case <-time.After(pause):
		}
	}
}

// ended is the error of a call that ctx has ended before it was answered; err is its last one.
func ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrDenied) || errors.Is(cause, ErrClosed) {
		return cause
	}
	if errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, cause)
	}
	return cause
}

// Put is Engine.Put.
func (e *JetStream) Put(ctx context.Context, subject string, body []byte) (already bool, err error) {
	if _, err := checkSubject(subject); err != nil {
		return false, err
	}
	if err := checkBody(subject, body); err != nil {
		return false, err
	}
	_, err = e.publish(ctx, &nats.Msg{Subject: subject, Data: body, Header: nats.Header{}})
	switch {
	case errors.Is(err, errSubjectTaken):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("putting %s: %w", subject, err)
	}
	return false, nil
}

// publish adds a message to its stream, once, also if an answer is lost and it is sent again. It
// returns the message's number.
func (e *JetStream) publish(ctx context.Context, m *nats.Msg) (seq uint64, err error) {
	m.Header.Set(jetstream.MsgIDHeader, nuid.Next()) // the servers recognise it for two minutes
	err = e.call(ctx, m.Subject, func(ctx context.Context) error {
		ack, err := e.js.PublishMsg(ctx, m)
		if e.settings.lose != nil && e.settings.lose(m.Subject) {
			return ErrUnavailable
		}
		if err == nil {
			seq = ack.Sequence
		}
		return err
	})
	return seq, err
}

// Purge is Engine.Purge.
func (e *JetStream) Purge(ctx context.Context, filter string) (int, error) {
	stream, err := streamFilter(filter)
	if err != nil {
		return 0, err
	}
	n := 0
	err = e.api(ctx, "STREAM.PURGE."+stream, map[string]any{"filter": filter}, func(r response) { n += r.Purged })
	if err != nil {
		return 0, fmt.Errorf("purging %s: %w", filter, err)
	}
	return n, nil
}

// Depth is Engine.Depth. Each subject has at most one message in all streams.
func (e *JetStream) Depth(ctx context.Context, filter string) (int, error) {
	stream, err := streamFilter(filter)
	if err != nil {
		return 0, err
	}
	n := 0
	// Behind the last subject: their number is asked for, not their names.
	request := map[string]any{"subjects_filter": filter, "offset": 1 << 30}
	if err := e.api(ctx, "STREAM.INFO."+stream, request, func(r response) { n = r.Total }); err != nil {
		return 0, fmt.Errorf("counting %s: %w", filter, err)
	}
	return n, nil
}

// Subjects is Engine.Subjects.
func (e *JetStream) Subjects(ctx context.Context, filter string) ([]string, error) {
	stream, err := streamFilter(filter)
	if err != nil {
		return nil, err
	}
	return e.subjects(ctx, stream, filter)
}

// subjects lists the subjects of a stream that filter selects.
func (e *JetStream) subjects(ctx context.Context, stream, filter string) (list []string, err error) {
	seen := map[string]bool{}
	for {
		total, before := 0, len(list)
		request := map[string]any{"subjects_filter": filter, "offset": len(list)}
		err := e.api(ctx, "STREAM.INFO."+stream, request, func(r response) {
			total = r.Total
			for subject := range r.State.Subjects {
				if !seen[subject] {
					seen[subject] = true
					list = append(list, subject)
				}
			}
		})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", filter, err)
		}
		if len(list) >= total || len(list) == before {
			return list, nil
		}
	}
}

// Oldest is Engine.Oldest.
func (e *JetStream) Oldest(ctx context.Context, filter string) (at time.Time, ok bool, err error) {
	stream, err := streamFilter(filter)
	if err != nil {
		return time.Time{}, false, err
	}
	request := map[string]any{"seq": 1, "next_by_subj": filter}
	err = e.api(ctx, "STREAM.MSG.GET."+stream, request, func(r response) { at, ok = r.Message.Time, true })
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("looking for the oldest of %s: %w", filter, err)
	}
	return at, ok, nil
}

// streamFilter gives the name of the stream that a filter selects from.
func streamFilter(filter string) (string, error) {
	first, err := streamOf(filter)
	if err == nil {
		err = checkFilter(filter)
	}
	return streamName[first], err
}
