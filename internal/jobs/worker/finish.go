package worker

import (
	"bytes"
	"context"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/results"
	"github.com/declip/declip/internal/jobs/schema"
)

// finishTimeout bounds the time for which a worker that is stopping writes what is computed.
const finishTimeout = 20 * time.Second

// finish writes the part of a batch, then the event, and then removes the batch from the queue.
func (s *slot) finish(ctx context.Context, b *batch) error {
	// What is computed is written, although the worker stops.
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(finishTimeout, cancel)
	})
	defer stop()
	if err := s.timed(b, StepMaps, b.maps.Wait); err != nil {
		return err
	}
	part, digest, err := results.EncodePart(b.records)
	if err != nil {
		return err
	}
	key := b.job.PartKey(b.message.Range())
	put := func() error { return s.Store.Put(lasting, key, bytes.NewReader(part)) }
	if err := s.timed(b, StepPart, func() error { return s.patiently(lasting, put) }); err != nil {
		return err
	}
	event := b.event(s.ID, digest)
	if err := s.timed(b, StepEvent, func() error { return s.putEvent(lasting, b, event) }); err != nil {
		return err
	}
	s.observe(func(o Observer) { o.Batch(b.pool, event) })
	if err := s.timed(b, StepAck, func() error { return b.lease.Done(lasting) }); err != nil {
		// It is delivered again, and written again with the same contents.
		s.Log.Warn("a finished batch could not be removed from the queue", "batch", b.lease.Subject(), "error", err)
	}
	b.rest()
	b.release()
	return nil
}

func (s *slot) putEvent(ctx context.Context, b *batch, event *schema.Finished) error {
	subject, err := queue.Done{Tenant: b.job.Tenant, Job: b.job.ID, Batch: b.message.Range().String()}.Subject()
	if err != nil {
		return err
	}
	body, err := schema.Encode(event)
	if err != nil {
		return err
	}
	_, err = s.Engine.Put(ctx, subject, body)
	return err
}

// event is the event that the batch is finished.
func (b *batch) event(worker, digest string) *schema.Finished {
	f := &schema.Finished{
		V: schema.Version, Job: b.job.ID, From: b.message.From, N: b.message.N,
		MS: milliseconds(b.elapsed), Worker: worker, PartSHA256: digest,
	}
	for _, r := range b.records {
		switch r.Status {
		case schema.StatusOK:
			f.OK++
		case schema.StatusDead:
			f.Dead++
			f.Failed++
		default:
			f.Failed++
		}
		if r.Flagged {
			f.Flagged++
		}
	}
	return f
}

// milliseconds keeps one digit after the point.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond).Microseconds()) / 1000
}
