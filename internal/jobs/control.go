package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/declip/declip/internal/jobs/dispatch"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/results"
	"github.com/declip/declip/internal/jobs/schema"
)

// change changes a job's entry by f, again if somebody else changes it at the same time. f returns
// an error to leave the job as it is.
func (s *Service) change(ctx context.Context, tenant, id string, f func(*schema.Job) error) (schema.Job, error) {
	const most = 10
	for range most {
		job, revision, err := s.read(ctx, tenant, id)
		if err != nil {
			return job, err
		}
		if err := f(&job); err != nil {
			return job, err
		}
		_, err = dispatch.SaveJob(ctx, s.Engine, s.Store, &job, revision)
		if !errors.Is(err, queue.ErrConflict) {
			return job, err
		}
	}
	return schema.Job{}, fmt.Errorf("job %s: %w", id, ErrConflict)
}

func wrongState(job *schema.Job, what string) error {
	return fmt.Errorf("job %s is %s and cannot be %s: %w", job.ID, job.State, what, ErrState)
}

// purge removes the messages of a job from the queue: its batches, and its events and dead items if
// all is true.
func (s *Service) purge(ctx context.Context, job *schema.Job, all bool) error {
	filters := []func(tenant, job string) (string, error){queue.WorkOfJob}
	if all {
		filters = append(filters, queue.DoneOfJob, queue.DeadOfJob)
	}
	for _, f := range filters {
		filter, err := f(job.Tenant, job.ID)
		if err != nil {
			return err
		}
		if _, err := s.Engine.Purge(ctx, filter); err != nil {
			return err
		}
	}
	return nil
}

// Pause stops a job until it is resumed. Batches that workers hold are still finished.
func (s *Service) Pause(ctx context.Context, tenant, id string) error {
	job, err := s.change(ctx, tenant, id, func(j *schema.Job) error {
		if !j.State.Active() {
			return wrongState(j, "paused")
		}
		j.State = schema.Paused
		return nil
	})
	if err != nil {
		return err
	}
	return s.purge(ctx, &job, false)
}

// Resume continues a paused job, or one that failed.
func (s *Service) Resume(ctx context.Context, tenant, id string) error {
	_, err := s.change(ctx, tenant, id, func(j *schema.Job) error {
		if j.State != schema.Paused && j.State != schema.Failed {
			return wrongState(j, "resumed")
		}
		j.State, j.Ended, j.Error = schema.Running, nil, ""
		return nil
	})
	return err
}

// Cancel ends a job. Workers stop within a picture; what is done stays.
func (s *Service) Cancel(ctx context.Context, tenant, id string) error {
	job, err := s.change(ctx, tenant, id, func(j *schema.Job) error {
		if j.State.Over() {
			return wrongState(j, "cancelled")
		}
		now := time.Now().UTC()
		j.State, j.Ended = schema.Cancelled, &now
		return nil
	})
	if err != nil {
		return err
	}
	if err := dispatch.PutHook(ctx, s.Engine, &job); err != nil {
		return err
	}
	return s.purge(ctx, &job, false)
}

// Remove deletes a job with its results. A job that is not over is cancelled first.
func (s *Service) Remove(ctx context.Context, tenant, id string) error {
	if err := s.Cancel(ctx, tenant, id); err != nil && !errors.Is(err, ErrState) {
		return err
	}
	job, _, err := s.read(ctx, tenant, id)
	if err != nil {
		return err
	}
	bucket, err := s.jobs()
	if err != nil {
		return err
	}
	key, err := queue.JobKey(tenant, id)
	if err != nil {
		return err
	}
	// The entry goes last: until then, the job can be removed again.
	return errors.Join(s.purge(ctx, &job, true), s.removeObjects(ctx, job.Prefix()), bucket.Delete(ctx, key, 0))
}

// Retry works again on items of a job that has ended: those that are dead and, with failed, all
// that have no result. It returns how many there are; with 0 the job stays as it is. A batch with
// such an item is worked on again as a whole.
func (s *Service) Retry(ctx context.Context, tenant, id string, failed bool) (int, error) {
	job, _, err := s.read(ctx, tenant, id)
	if err != nil {
		return 0, err
	}
	if job.State != schema.Done && job.State != schema.Failed && job.State != schema.Paused {
		return 0, wrongState(&job, "tried again")
	}
	bad, parts, err := results.Bad(ctx, s.Store, &job, failed)
	if err != nil || len(bad) == 0 {
		return 0, err
	}
	// Paused, so that no dispatcher sees half of what follows. An interrupted retry leaves the job
	// paused.
	if _, err := s.change(ctx, tenant, id, func(j *schema.Job) error {
		j.State, j.Ended, j.Counts, j.Error = schema.Paused, nil, nil, ""
		return nil
	}); err != nil {
		return 0, err
	}
	if err := s.forget(ctx, &job, bad, parts); err != nil {
		return 0, err
	}
	return len(bad), s.Resume(ctx, tenant, id)
}

// forget removes all traces of items and of the parts that hold them.
func (s *Service) forget(ctx context.Context, job *schema.Job, items []int, parts []schema.Range) error {
	tries, err := s.Engine.Bucket(queue.BucketTries)
	if err != nil {
		return err
	}
	for _, item := range items {
		key, err := queue.TryKey(job.ID, item)
		if err != nil {
			return err
		}
		if err := tries.Delete(ctx, key, 0); err != nil {
			return err
		}
		subject, err := queue.Dead{Tenant: job.Tenant, Job: job.ID, Item: item}.Subject()
		if err != nil {
			return err
		}
		if _, err := s.Engine.Purge(ctx, subject); err != nil {
			return err
		}
	}
	for _, r := range parts {
		subject, err := queue.Done{Tenant: job.Tenant, Job: job.ID, Batch: r.String()}.Subject()
		if err != nil {
			return err
		}
		if _, err := s.Engine.Purge(ctx, subject); err != nil {
			return err
		}
		if err := s.Store.Delete(ctx, job.PartKey(r)); err != nil {
			return err
		}
	}
	return nil
}
