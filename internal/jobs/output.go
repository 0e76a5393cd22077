package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/declip/declip/internal/jobs/results"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// ResultsOptions say which results are written, and how.
type ResultsOptions struct {
	// Format is schema.FormatJSONL or schema.FormatParquet. Parquet is there when the job is done.
	Format string
	// After leaves out the first items: a caller that has N records asks for those after N. Only
	// for JSON lines.
	After int
	// Follow waits for the records that are missing, until the job is over. Only for JSON lines.
	Follow bool
}

// followEvery is how often Results looks for new parts.
const followEvery = time.Second

// Results writes the results of a job in the order of its items, as far as there are any. It
// returns the number of the item that follows the last one, also with an error.
func (s *Service) Results(ctx context.Context, tenant, id string, o ResultsOptions, to io.Writer) (next int, err error) {
	job, _, err := s.read(ctx, tenant, id)
	if err != nil {
		return o.After, err
	}
	switch {
	case o.Format == schema.FormatParquet && job.State != schema.Done:
		return 0, wrongState(&job, "read as Parquet before it is done")
	case o.Format == schema.FormatParquet:
		return job.Items, s.copyObject(ctx, job.ResultsKey(o.Format), to)
	case o.Format != schema.FormatJSONL:
		return o.After, fmt.Errorf("%w: format %q: expected jsonl or parquet", ErrInvalid, o.Format)
	case o.After < 0:
		return 0, fmt.Errorf("%w: after %d: expected 0 or more", ErrInvalid, o.After)
	}
	stream := results.NewStream(s.Store, &job, o.After)
	for {
		for line := range stream.All(ctx) {
			if _, err := to.Write(line.Text); err != nil {
				return stream.Next, err
			}
		}
		if stream.Err() != nil || !o.Follow || stream.Next >= job.Items {
			return stream.Next, stream.Err()
		}
		over := job.State.Over() // before the parts were listed
		if over {
			return stream.Next, nil
		}
		if f, ok := to.(interface{ Flush() }); ok {
			f.Flush()
		}
		if err := parallel.Sleep(ctx, followEvery); err != nil {
			return stream.Next, err
		}
		if job, _, err = s.read(ctx, tenant, id); err != nil {
			return stream.Next, err
		}
	}
}

func (s *Service) copyObject(ctx context.Context, key string, to io.Writer) error {
	body, _, err := s.Store.Get(ctx, key)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(to, body)
	return err
}

// Map opens a map of an item, such as "prob.png".
func (s *Service) Map(ctx context.Context, tenant, id string, item int, name string) (io.ReadCloser, store.Info, error) {
	job, _, err := s.read(ctx, tenant, id)
	if err != nil {
		return nil, store.Info{}, err
	}
	body, info, err := s.Store.Get(ctx, job.MapKey(item, name))
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) {
		err = fmt.Errorf("map %.80q of item %d of job %s: %w", name, item, id, ErrNotFound)
	}
	return body, info, err
}
