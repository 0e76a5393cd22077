package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
)

// List describes all jobs of a tenant, the newest first.
func (s *Service) List(ctx context.Context, tenant string) ([]Status, error) {
	list, _, err := s.ListPage(ctx, tenant, Page{})
	return list, err
}

// Page says which jobs of a list are wanted.
type Page struct {
	// Limit is the largest number of jobs; 0 for all.
	Limit int
	// Cursor is what the page before gave as the next one; "" begins with the newest job.
	Cursor string
}

// ListPage describes some jobs of a tenant, the newest first. next is the cursor of the page that
// follows, "" if there is none. Pages do not overlap, and jobs that are submitted or removed
// meanwhile shift none of them.
func (s *Service) ListPage(ctx context.Context, tenant string, p Page) (list []Status, next string, err error) {
	bucket, err := s.jobs()
	if err != nil {
		return nil, "", err
	}
	if err := errors.Join(queue.CheckToken(tenant), p.check()); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	entries, err := bucket.List(ctx, tenant+".*")
	if err != nil {
		return nil, "", err
	}
	// The cursor is the identifier of the last job of the page before. Identifiers sort by the time.
	entries = slices.DeleteFunc(entries, func(e queue.Entry) bool { return p.Cursor != "" && e.Key >= tenant+"."+p.Cursor })
	slices.SortFunc(entries, func(a, b queue.Entry) int { return strings.Compare(b.Key, a.Key) })
	if p.Limit > 0 && len(entries) > p.Limit {
		entries = entries[:p.Limit]
		next = strings.TrimPrefix(entries[p.Limit-1].Key, tenant+".")
	}
	progress, err := s.allProgress(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		var job schema.Job
		if err := schema.Decode(e.Value, &job); err != nil {
			return nil, "", fmt.Errorf("job %s: %w", e.Key, err)
		}
		list = append(list, newStatus(&job, progress[job.ID]))
	}
	return list, next, nil
}

func (p *Page) check() error {
	switch {
	case p.Limit < 0:
		return fmt.Errorf("limit %d: expected 0 or more", p.Limit)
	case p.Cursor != "" && queue.CheckToken(p.Cursor) != nil:
		return fmt.Errorf("cursor %.80q: expected one that was given with a list", p.Cursor)
	}
	return nil
}
