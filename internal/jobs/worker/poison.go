package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
)

// What convicts a picture.
const (
	// mostDeliveries is how often a batch of several pictures is tried as a whole.
	mostDeliveries = 3
	// mostStarts is how often a single picture is started.
	mostStarts = 3
)

// errSplit is the reason why a batch is not worked on: its pictures are in the queue one by one.
var errSplit = errors.New("the batch was cut into single pictures")

// split puts the pictures of a batch into the queue one by one. No picture of it was opened: one of
// them may kill this worker.
func (s *slot) split(ctx context.Context, b *batch) error {
	s.Log.Warn("a batch was delivered too often and is cut into single pictures", "batch", b.lease.Subject(), "deliveries", b.lease.Deliveries())
	s.observe(func(o Observer) { o.Split(b.pool) })
	r := b.message.Range()
	for item := r.From; item < r.End(); item++ {
		if err := dispatch.PutBatch(ctx, s.Engine, b.job, schema.Range{From: item, N: 1}, func() {}); err != nil {
			return err
		}
	}
	return errSplit
}

// suspect journals the start of a single picture that was delivered before. It reports whether the
// picture was started too often: then it has its record, as dead.
func (s *slot) suspect(b *batch) (dead bool, err error) {
	// A file that cannot be read kills no worker: only what follows is journaled.
	if err := b.fetched.wait(b.ctx, 0); err != nil {
		return false, err
	}
	starts, err := s.journal(b.ctx, b.job.ID, b.message.From)
	if err != nil || starts <= mostStarts {
		return false, err
	}
	item := b.items[0]
	message := fmt.Sprintf("%s: given up: workers died of it %d times", item.Name(), mostStarts)
	s.Log.Error("a picture is given up", "job", b.job.ID, "item", b.message.From, "error", message)
	s.observe(func(o Observer) { o.Dead(b.pool) })
	record := schema.Record{Picture: schema.FailedPicture(item.Name()), Fields: schema.Fields{
		Item: b.message.From, Key: item.Key, Status: schema.StatusDead,
		Error: &schema.Failure{Code: schema.CodeDead, Message: message},
	}}
	subject, err := queue.Dead{Tenant: b.job.Tenant, Job: b.job.ID, Item: b.message.From}.Subject()
	if err != nil {
		return false, err
	}
	body, err := schema.Encode(&record)
	if err != nil {
		return false, err
	}
	if _, err := s.Engine.Put(b.ctx, subject, body); err != nil {
		return false, err
	}
	b.records = append(b.records, record)
	return true, nil
}

// journal counts a start of an item and returns how many there were, this one included.
func (s *slot) journal(ctx context.Context, job string, item int) (int, error) {
	key, err := queue.TryKey(job, item)
	if err != nil {
		return 0, err
	}
	for {
		start := schema.Start{V: schema.Version, Count: 1, Worker: s.ID}
		entry, err := s.tries.Get(ctx, key)
		if err != nil && !errors.Is(err, queue.ErrNotFound) {
			return 0, err
		}
		known := err == nil
		if known {
			if err := schema.Decode(entry.Value, &start); err != nil {
				return 0, err
			}
			start.Count, start.Worker = start.Count+1, s.ID
		}
		value, err := schema.Encode(&start)
		if err != nil {
			return 0, err
		}
		if known {
			_, err = s.tries.Update(ctx, key, value, entry.Revision)
		} else {
			_, err = s.tries.Create(ctx, key, value)
		}
		if !errors.Is(err, queue.ErrConflict) && !errors.Is(err, queue.ErrExists) {
			return start.Count, err
		}
	}
}
