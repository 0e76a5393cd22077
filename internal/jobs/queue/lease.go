package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// doneAttempts is how often Done and Term ask while the connection stands. A message of a consumer
// that was made again cannot be finished before it is delivered again.
const (
	doneAttempts = 30
	doneAttempt  = 2 * time.Second
)

// lease is a message of a stream.
type lease struct {
	engine     *JetStream
	message    jetstream.Msg
	deliveries int
	taken      chan struct{} // closed when it has been taken from its puller
}

func (e *JetStream) newLease(m jetstream.Msg, pool string) (*lease, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	n := int(min(meta.NumDelivered, 1<<30))
	if n > 1 && e.settings.hooks.Redelivered != nil {
		e.settings.hooks.Redelivered(pool)
	}
	return &lease{e, m, n, make(chan struct{})}, nil
}

func (l *lease) Subject() string { return l.message.Subject() }
func (l *lease) Body() []byte    { return l.message.Data() }
func (l *lease) Deliveries() int { return l.deliveries }

func (l *lease) Beat(ctx context.Context) error {
	return l.tell(ctx, "beat", l.message.InProgress)
}

func (l *lease) Drop(ctx context.Context, delay time.Duration) error {
	return l.tell(ctx, "dropped", func() error { return l.message.NakWithDelay(delay) })
}

// tell sends what the servers do not answer.
func (l *lease) tell(ctx context.Context, what string, send func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := send(); err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		return fmt.Errorf("%s %s: %w", what, l.Subject(), class(err))
	}
	return nil
}

func (l *lease) Done(ctx context.Context) error { return l.finish(ctx, "+ACK") }
func (l *lease) Term(ctx context.Context) error { return l.finish(ctx, "+TERM") }

// finish repeats a word about the message until it is answered.
func (l *lease) finish(ctx context.Context, word string) error {
	left := doneAttempts
	subject := l.message.Reply()
	err := l.engine.call(ctx, subject, func(ctx context.Context) error {
		once, cancel := context.WithTimeout(ctx, doneAttempt)
		defer cancel()
		_, err := l.engine.conn.RequestWithContext(once, subject, []byte(word))
		if err == nil || !l.engine.conn.IsConnected() {
			return err
		}
		if l.gone(ctx) {
			return nil
		}
		if left--; left == 0 { // an error that is not wrapped is not repeated
			return fmt.Errorf("it will be delivered again: %s", err.Error())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("finishing %s: %w", l.Subject(), err)
	}
	return nil
}

// gone says whether the stream was made again since the message was delivered. Acknowledgements of
// messages that a stream has not had are not answered.
func (l *lease) gone(ctx context.Context) bool {
	meta, err := l.message.Metadata()
	if err != nil || l.engine.settings.worker { // who may not ask
		return false
	}
	s, err := l.engine.js.Stream(ctx, meta.Stream)
	return err == nil && s.CachedInfo().State.LastSeq < meta.Sequence.Stream
}
