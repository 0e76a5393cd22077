package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/declip/declip/internal/parallel"
)

const (
	readAhead = 256         // messages
	readerTTL = time.Minute // after which the servers forget a reader that does not ask
)

// cursor reads the messages of a stream in order, without taking them. After an interruption it
// continues behind the last one.
type cursor struct {
	engine *JetStream
	stream string
	filter string // of the stream's subjects
	latest bool   // begin with the last message of each subject, also after an interruption

	created time.Time   // when the stream was made; zero before the first pass
	begin   uint64      // the lowest number wanted
	first   chan uint64 // of messages that there were at the beginning; one value
	out     chan jetstream.Msg
	life    context.Context
	end     context.CancelCauseFunc
	work    parallel.Group
}

// read begins to read.
func (e *JetStream) read(c *cursor) (*cursor, error) {
	c.engine, c.out, c.first = e, make(chan jetstream.Msg), make(chan uint64, 1)
	c.life, c.end = context.WithCancelCause(e.life)
	if err := e.add(c); err != nil {
		return nil, err
	}
	c.work.Go(func() error {
		err := c.run()
		c.end(err)
		return err
	})
	return c, nil
}

func (c *cursor) Close() error {
	c.engine.remove(c)
	c.end(ErrClosed)
	if err := c.work.Wait(); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrDenied) {
		return err
	}
	return nil
}

// next gives the next message.
func (c *cursor) next(ctx context.Context) (jetstream.Msg, error) {
	select {
	case m := <-c.out:
		return m, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.life.Done():
		return nil, context.Cause(c.life)
	}
}

// run reads until the cursor is closed or what it does is denied.
func (c *cursor) run() error {
	for c.life.Err() == nil {
		err := c.pass()
		if errors.Is(err, ErrDenied) {
			return err
		}
		if c.life.Err() != nil {
			break
		}
		c.engine.settings.log.Debug("reading begins again", slog.String("filter", c.filter), slog.Any("error", err))
		select {
		case <-c.life.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return context.Cause(c.life)
}

// pass reads with one consumer until it fails.
func (c *cursor) pass() error {
	if !c.latest {
		if err := c.check(); err != nil {
			return err
		}
	}
	consumer, err := c.consumer()
	if err != nil {
		return err
	}
	if !c.engine.settings.worker { // who may not delete consumers
		defer c.engine.forget(c.stream, consumer.CachedInfo().Name)
	}
	select {
	case c.first <- consumer.CachedInfo().NumPending:
	default: // an earlier consumer said it
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(readAhead), jetstream.PullExpiry(pullFor), jetstream.PullHeartbeat(pullBeat))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for expected := uint64(1); ; expected++ {
		m, err := messages.Next(jetstream.NextContext(c.life))
		if err != nil {
			return class(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != expected {
			return fmt.Errorf("message %d was lost on the way", expected)
		}
		select {
		case c.out <- m:
			c.begin = meta.Sequence.Stream + 1
		case <-c.life.Done():
			return context.Cause(c.life)
		}
	}
}

// check goes back to the beginning if the stream was made again, or has lost its end in a power
// failure: its numbers are not those that were read.
func (c *cursor) check() error {
	info, err := c.engine.info(c.life, c.stream)
	if err != nil {
		return err
	}
	if !c.created.IsZero() && !c.created.Equal(info.Created) || c.begin > info.State.LastSeq+1 {
		c.begin = 1
	}
	c.created = info.Created
	return nil
}

// consumer makes a consumer that begins where the cursor is. It is kept in memory by one server.
func (c *cursor) consumer() (consumer jetstream.Consumer, err error) {
	config := jetstream.ConsumerConfig{
		Name: nuid.Next(), FilterSubject: c.filter, AckPolicy: jetstream.AckNonePolicy, Replicas: 1, MemoryStorage: true,
		InactiveThreshold: readerTTL, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	switch {
	case c.latest:
		config.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
	case c.begin > 1:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, c.begin
	}
	err = c.engine.call(c.life, apiPrefix+"CONSUMER.CREATE."+c.stream+"."+config.Name, func(ctx context.Context) error {
		consumer, err = c.engine.js.CreateOrUpdateConsumer(ctx, c.stream, config)
		return err
	})
	return consumer, err
}

// forget deletes a reader's consumer. It need not succeed: the servers forget it by themselves.
func (e *JetStream) forget(stream, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.life), time.Second)
	defer cancel()
	_ = e.js.DeleteConsumer(ctx, stream, name)
}

// Events is Engine.Events.
func (e *JetStream) Events(_ context.Context, filter string, after uint64) (Reader, error) {
	stream, err := streamFilter(filter)
	if err != nil {
		return nil, err
	}
	c, err := e.read(&cursor{stream: stream, filter: filter, begin: after + 1})
	if err != nil {
		return nil, err
	}
	return &reader{c}, nil
}

// info describes a stream.
func (e *JetStream) info(ctx context.Context, stream string) (info *jetstream.StreamInfo, err error) {
	err = e.call(ctx, apiPrefix+"STREAM.INFO."+stream, func(ctx context.Context) error {
		s, err := e.js.Stream(ctx, stream)
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	return info, err
}

// reader is the Reader of a JetStream.
type reader struct{ *cursor }

// Next is Reader.Next.
func (r *reader) Next(ctx context.Context) (Event, error) {
	m, err := r.next(ctx)
	if err != nil {
		return Event{}, err
	}
	meta, err := m.Metadata()
	if err != nil {
		return Event{}, err
	}
	return Event{Subject: m.Subject(), Body: m.Data(), Seq: meta.Sequence.Stream, Time: meta.Timestamp, Left: meta.NumPending}, nil
}
