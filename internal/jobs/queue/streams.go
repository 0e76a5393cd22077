package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// streamName gives the stream of the subjects with a first token.
var streamName = map[string]string{workToken: "WORK", doneToken: "DONE", deadToken: "DEAD", hookToken: "HOOKS"}

const (
	workStream = "WORK"
	hookStream = "HOOKS"
	// bucketPrefix and keyPrefix are what other clients of NATS expect of buckets.
	bucketPrefix = "KV_"
	keyPrefix    = "$KV."

	duplicates   = 2 * time.Minute // how long a repeated publish is recognised
	mostBytes    = 1 << 30         // of WORK: a full stream refuses messages
	mostWaiting  = 1 << 15         // pull requests of a pool; it cannot be changed later
	leastUnacked = 1000            // of a pool's batches that are being worked on
)

// streams are the streams' settings.
func (e *JetStream) streams() []jetstream.StreamConfig {
	day := 24 * time.Hour
	base := jetstream.StreamConfig{
		Storage: jetstream.FileStorage, Replicas: e.settings.copies, MaxMsgsPerSubject: 1, Duplicates: duplicates, MaxMsgSize: 1 << 20,
	}
	// One message of a subject, and no second while it is there: "put in" can be repeated at any time.
	work := base
	work.Name, work.Subjects = workStream, []string{"work.>"}
	work.Retention, work.Discard, work.DiscardNewPerSubject, work.MaxBytes = jetstream.WorkQueuePolicy, jetstream.DiscardNew, true, mostBytes
	hooks := base
	hooks.Name, hooks.Subjects = hookStream, []string{"hook.>"}
	hooks.Retention, hooks.Discard, hooks.DiscardNewPerSubject = jetstream.WorkQueuePolicy, jetstream.DiscardNew, true
	// Of events, the last one of a subject stays.
	done := base
	done.Name, done.Subjects, done.MaxAge = "DONE", []string{"done.>"}, 30*day
	dead := base
	dead.Name, dead.Subjects, dead.MaxAge = "DEAD", []string{"dead.>"}, 90*day
	return []jetstream.StreamConfig{work, done, dead, hooks, e.bucket(BucketJobs), e.bucket(BucketTries), e.bucket(BucketLeases), e.bucket(BucketRuns)}
}

// bucket is a bucket's stream, as other clients of NATS make it.
func (e *JetStream) bucket(name string) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: bucketPrefix + name, Subjects: []string{keyPrefix + name + ".>"}, Storage: jetstream.FileStorage, Replicas: e.settings.copies,
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, AllowDirect: true,
		Duplicates: duplicates, MaxMsgSize: 1 << 20,
	}
	switch name {
	case BucketJobs, BucketRuns:
		c.MaxMsgsPerSubject = 5
	case BucketTries:
		c.MaxAge = 7 * 24 * time.Hour
	case BucketLeases:
		c.MaxAge = e.settings.leaseTTL
	}
	if c.MaxAge > 0 {
		c.Duplicates = min(duplicates, c.MaxAge)
		// Watchers see when an entry has outlived its time.
		c.AllowMsgTTL, c.SubjectDeleteMarkerTTL = true, time.Second
	}
	return c
}

// Setup makes the streams and buckets that are missing, and brings the others up to date.
// Dispatchers and those who submit jobs call it after Connect; workers need not and may not.
func (e *JetStream) Setup(ctx context.Context) error {
	_, err := e.setup(ctx)
	return err
}

// setup returns the names of what was missing.
func (e *JetStream) setup(ctx context.Context) (made []string, err error) {
	for _, c := range e.streams() {
		var there *jetstream.StreamInfo
		err := e.call(ctx, apiPrefix+"STREAM.INFO."+c.Name, func(ctx context.Context) (err error) {
			there, err = e.streamInfo(ctx, c.Name)
			return err
		})
		if err != nil {
			return made, fmt.Errorf("stream %s: %w", c.Name, err)
		}
		change, request := e.js.CreateStream, "CREATE"
		if there != nil {
			if c.Replicas == 0 {
				c.Replicas = there.Config.Replicas
			}
			if same(there.Config, c) {
				continue
			}
			change, request = e.js.UpdateStream, "UPDATE"
		} else if c.Replicas == 0 {
			c.Replicas = e.usualCopies()
		}
		err = e.call(ctx, apiPrefix+"STREAM."+request+"."+c.Name, func(ctx context.Context) error {
			_, err := change(ctx, c)
			return err
		})
		if err != nil {
			return made, fmt.Errorf("stream %s cannot be set up: %w", c.Name, err)
		}
		if there == nil {
			made = append(made, c.Name)
		}
	}
	return made, nil
}

// streamInfo asks for a stream's state, one time. It gives nil for a stream that does not exist.
func (e *JetStream) streamInfo(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	s, err := e.js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return s.CachedInfo(), nil
}

// deleteStream deletes a stream. A missing one is not an error.
func (e *JetStream) deleteStream(ctx context.Context, name string) error {
	return e.call(ctx, apiPrefix+"STREAM.DELETE."+name, func(ctx context.Context) error {
		if err := e.js.DeleteStream(ctx, name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		return nil
	})
}

// usualCopies is three in a cluster, and one without.
func (e *JetStream) usualCopies() int {
	if e.conn.ConnectedClusterName() != "" {
		return 3
	}
	return 1
}

// same says whether a stream has the wanted settings already: an update costs a write of all
// copies.
func same(a, b jetstream.StreamConfig) bool {
	return slices.Equal(a.Subjects, b.Subjects) && a.Replicas == b.Replicas && a.MaxMsgsPerSubject == b.MaxMsgsPerSubject &&
		a.MaxAge == b.MaxAge && a.Duplicates == b.Duplicates && a.MaxMsgSize == b.MaxMsgSize && a.Discard == b.Discard &&
		a.DiscardNewPerSubject == b.DiscardNewPerSubject && (a.MaxBytes == b.MaxBytes || a.MaxBytes < 0 && b.MaxBytes == 0) &&
		a.AllowDirect == b.AllowDirect && a.AllowMsgTTL == b.AllowMsgTTL && a.SubjectDeleteMarkerTTL == b.SubjectDeleteMarkerTTL
}

// Reset is Engine.Reset.
func (e *JetStream) Reset(ctx context.Context) error {
	for _, c := range e.streams() {
		if err := e.deleteStream(ctx, c.Name); err != nil {
			return fmt.Errorf("stream %s cannot be deleted: %w", c.Name, err)
		}
	}
	if err := e.Setup(ctx); err != nil {
		return err
	}
	for pool, slots := range e.healing.known() {
		if err := e.Pool(ctx, pool, slots); err != nil {
			return err
		}
	}
	return nil
}

// consumer is the name of a pool's consumer for a priority.
func consumer(pool string, p Priority) string { return pool + "-" + string(p) }

// hookConsumer takes hook messages.
const hookConsumer = "hooks"

func (e *JetStream) consumerConfig(name, filter string, slots int) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, AckWait: e.settings.ackWait,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		// A limit would leave messages in the stream that are not delivered; deliveries are counted by
		// those who take them.
		MaxDeliver:    -1,
		MaxAckPending: max(leastUnacked, 2*slots),
		MaxWaiting:    mostWaiting,
	}
}

// Pool is Engine.Pool.
func (e *JetStream) Pool(ctx context.Context, pool string, slots int) error {
	for _, p := range Priorities {
		filter, err := WorkOfPool(pool, p)
		if err != nil {
			return err
		}
		if err := e.makeConsumer(ctx, workStream, e.consumerConfig(consumer(pool, p), filter, slots)); err != nil {
			return fmt.Errorf("pool %s: %w", pool, err)
		}
	}
	e.healing.pool(pool, slots)
	return nil
}

// makeConsumer makes or updates a consumer. Its messages are replicated as the stream's.
func (e *JetStream) makeConsumer(ctx context.Context, stream string, c jetstream.ConsumerConfig) error {
	return e.call(ctx, apiPrefix+"CONSUMER.CREATE."+stream+"."+c.Durable, func(ctx context.Context) error {
		_, err := e.js.CreateOrUpdateConsumer(ctx, stream, c)
		return err
	})
}
