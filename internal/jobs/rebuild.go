package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/results"
	"github.com/declip/declip/internal/jobs/schema"
)

// Rebuilt says what Rebuild made.
type Rebuilt struct {
	Jobs   int // entries of jobs
	Events int // of finished batches
}

// Rebuild makes the queue's entries again from the store: the jobs, and the events of finished
// batches of those that are not over. What is in the queue stays. It is for a queue that was lost.
func (s *Service) Rebuild(ctx context.Context) (made Rebuilt, err error) {
	var found []schema.Job
	for info, err := range s.Store.List(ctx, "jobs/") {
		if err != nil {
			return made, err
		}
		if !strings.HasSuffix(info.Key, "/job.json") {
			continue
		}
		job, err := s.readObject(ctx, info.Key)
		if err != nil {
			return made, err
		}
		found = append(found, job)
	}
	bucket, err := s.jobs()
	if err != nil {
		return made, err
	}
	for _, job := range found {
		if !job.State.Over() {
			n, err := s.rebuildEvents(ctx, &job)
			made.Events += n
			if err != nil {
				return made, err
			}
		}
		// The entry comes last: the dispatcher begins with it.
		key, err := queue.JobKey(job.Tenant, job.ID)
		if err != nil {
			return made, err
		}
		value, err := schema.Encode(&job)
		if err != nil {
			return made, err
		}
		_, err = bucket.Create(ctx, key, value)
		switch {
		case err == nil:
			made.Jobs++
		case !errors.Is(err, queue.ErrExists):
			return made, err
		}
	}
	return made, nil
}

// readObject reads a job as the store keeps it.
func (s *Service) readObject(ctx context.Context, key string) (job schema.Job, err error) {
	body, _, err := s.Store.Get(ctx, key)
	if err != nil {
		return job, err
	}
	defer body.Close()
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(body, most))
	if err == nil {
		err = schema.Decode(text, &job)
	}
	if err == nil && job.JobKey() != key {
		err = fmt.Errorf("%w: it is that of job %s of %s", schema.ErrInvalid, job.ID, job.Tenant)
	}
	if err != nil {
		return job, fmt.Errorf("%s: %w", key, err)
	}
	return job, nil
}

// rebuildEvents puts in the events of parts that have none, and returns how many.
func (s *Service) rebuildEvents(ctx context.Context, job *schema.Job) (int, error) {
	filter, err := queue.DoneOfJob(job.Tenant, job.ID)
	if err != nil {
		return 0, err
	}
	subjects, err := s.Engine.Subjects(ctx, filter)
	if err != nil {
		return 0, err
	}
	known := map[string]bool{}
	for _, subject := range subjects {
		known[subject] = true
	}
	parts, err := results.Ranges(ctx, s.Store, job)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range parts {
		subject, err := queue.Done{Tenant: job.Tenant, Job: job.ID, Batch: r.String()}.Subject()
		if err != nil {
			return n, err
		}
		if known[subject] {
			continue
		}
		event, err := results.Finished(ctx, s.Store, job, r, "rebuild")
		if err != nil {
			return n, err
		}
		body, err := schema.Encode(&event)
		if err != nil {
			return n, err
		}
		if _, err := s.Engine.Put(ctx, subject, body); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
