package jobs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/parallel"
)

// Status is what a caller sees of a job.
type Status struct {
	ID       string         `json:"id"`
	State    schema.State   `json:"state"`
	Items    int            `json:"items"`
	Source   string         `json:"source"`
	Model    string         `json:"model"`
	Digest   string         `json:"digest"`
	Class    queue.Class    `json:"class"`
	Priority queue.Priority `json:"priority"`
	Options  schema.Options `json:"options"`
	// Counts of the items so far. Failed and flagged ones may be too few before the job has ended,
	// if the queue was lost.
	schema.Counts
	Queued  int        `json:"queued"`          // batches that wait or are being worked on
	Rate    float64    `json:"rate"`            // items per second over the last minute; 0 if unknown
	ETA     *float64   `json:"eta_s,omitempty"` // seconds
	Workers int        `json:"workers"`         // that have the model
	Created time.Time  `json:"created"`
	Ended   *time.Time `json:"ended,omitempty"`
	Error   string     `json:"error,omitempty"`
}

func newStatus(job *schema.Job, p *schema.Progress) Status {
	st := Status{
		ID: job.ID, State: job.State, Items: job.Items, Source: job.Source, Model: job.Model, Digest: job.Digest,
		Class: job.Class, Priority: job.Priority, Options: job.Options, Created: job.Created, Ended: job.Ended, Error: job.Error,
	}
	if p != nil {
		st.Counts, st.Queued, st.Rate, st.ETA, st.Workers = p.Counts, p.Queued, p.Rate, p.ETA, p.Workers
	}
	if job.Counts != nil {
		st.Counts = *job.Counts
	}
	return st
}

// read reads a job's entry and its revision.
func (s *Service) read(ctx context.Context, tenant, id string) (job schema.Job, revision uint64, err error) {
	bucket, err := s.jobs()
	if err != nil {
		return job, 0, err
	}
	key, err := queue.JobKey(tenant, id)
	if err != nil {
		return job, 0, fmt.Errorf("job %.80q: %w", id, ErrNotFound)
	}
	entry, err := bucket.Get(ctx, key)
	if errors.Is(err, queue.ErrNotFound) {
		return job, 0, fmt.Errorf("job %s: %w", id, ErrNotFound)
	}
	if err == nil {
		err = schema.Decode(entry.Value, &job)
	}
	return job, entry.Revision, err
}

// Status describes a job.
func (s *Service) Status(ctx context.Context, tenant, id string) (Status, error) {
	job, _, err := s.read(ctx, tenant, id)
	if err != nil {
		return Status{}, err
	}
	if job.Counts != nil {
		return newStatus(&job, nil), nil
	}
	leases, err := s.Engine.Bucket(queue.BucketLeases)
	if err != nil {
		return Status{}, err
	}
	key := schema.ProgressKey(id)
	entry, err := leases.Get(ctx, key)
	switch {
	case err == nil:
		var p schema.Progress
		if err = schema.Decode(entry.Value, &p); err == nil {
			return newStatus(&job, &p), nil
		}
		s.damaged(key, err)
	case !errors.Is(err, queue.ErrNotFound):
		return Status{}, err
	}
	// No dispatcher has seen it, or none is running.
	p, err := s.count(ctx, &job)
	return newStatus(&job, p), err
}

// count counts a job's finished items by the names of their events: without a dispatcher, failed
// and flagged ones are not known.
func (s *Service) count(ctx context.Context, job *schema.Job) (*schema.Progress, error) {
	filter, err := queue.DoneOfJob(job.Tenant, job.ID)
	if err != nil {
		return nil, err
	}
	subjects, err := s.Engine.Subjects(ctx, filter)
	if err != nil {
		return nil, err
	}
	p := &schema.Progress{V: schema.Version, Job: job.ID}
	for _, subject := range subjects {
		d, err := queue.ParseDone(subject)
		if err != nil {
			return nil, err
		}
		r, err := schema.ParseRange(d.Batch)
		if err != nil {
			return nil, err
		}
		p.Counts.Done += r.N
	}
	p.Counts.Done = min(p.Counts.Done, job.Items)
	return p, nil
}

// AllProgress reads the progress of the jobs that dispatchers work on, by their identifiers.
// damaged is called for entries that cannot be read; their jobs are left out.
func AllProgress(ctx context.Context, engine queue.Engine, damaged func(key string, err error)) (map[string]*schema.Progress, error) {
	leases, err := engine.Bucket(queue.BucketLeases)
	if err != nil {
		return nil, err
	}
	entries, err := leases.List(ctx, schema.ProgressKey("*"))
	if err != nil {
		return nil, err
	}
	all := map[string]*schema.Progress{}
	for _, e := range entries {
		var p schema.Progress
		if err := schema.Decode(e.Value, &p); err != nil {
			damaged(e.Key, err)
			continue
		}
		all[p.Job] = &p
	}
	return all, nil
}

// damaged reports an entry of the queue that cannot be read and is left out. A dispatcher writes
// the progress of its jobs again within seconds.
func (s *Service) damaged(key string, err error) {
	if s.Log != nil {
		s.Log.Warn("the progress of a job cannot be read", "key", key, "error", err)
	}
}

// ClassOf is the class of devices of the live workers that have a model; queue.CPU if there are
// none, and an error if they have several.
func (s *Service) ClassOf(ctx context.Context, digest string) (queue.Class, error) {
	leases, err := s.Engine.Bucket(queue.BucketLeases)
	if err != nil {
		return "", err
	}
	entries, err := leases.List(ctx, queue.AllWorkers)
	if err != nil {
		return "", err
	}
	found := map[queue.Class]bool{}
	for _, e := range entries {
		var w schema.Worker
		if err := schema.Decode(e.Value, &w); err != nil {
			return "", fmt.Errorf("worker %s: %w", e.Key, err)
		}
		for _, class := range schema.Classes {
			pool, err := queue.PoolName(digest, class)
			if err != nil {
				return "", err
			}
			if slices.Contains(w.Pools, pool) {
				found[class] = true
			}
		}
	}
	switch {
	case len(found) > 1:
		return "", fmt.Errorf("%w: workers on CPUs and on GPUs have the model: choose the class", ErrInvalid)
	case found[queue.GPU]:
		return queue.GPU, nil
	}
	return queue.CPU, nil
}

// watchEvery is how often Watch looks.
const watchEvery = 500 * time.Millisecond

// Watch gives the status of a job now and whenever it has changed, until the job is over or ctx
// ends. An error ends it.
func (s *Service) Watch(ctx context.Context, tenant, id string) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		var last Status
		for {
			st, err := s.Status(ctx, tenant, id)
			if err != nil {
				yield(st, err)
				return
			}
			if changed := st.State != last.State || st.Counts != last.Counts || st.Queued != last.Queued; changed && !yield(st, nil) {
				return
			}
			if last = st; st.State.Over() {
				return
			}
			if err := parallel.Sleep(ctx, watchEvery); err != nil {
				yield(st, err)
				return
			}
		}
	}
}
