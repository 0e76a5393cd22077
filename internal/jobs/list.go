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
	entries, next, err := readPage(ctx, bucket, tenant, p)
	if err != nil {
		return nil, "", err
	}
	progress, err := AllProgress(ctx, s.Engine, s.damaged)
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

// readPage reads the entries of some jobs of a tenant, the newest first, and gives the cursor of
// the next page. The cursor is the identifier of a page's last job. Identifiers sort by the time.
func readPage(ctx context.Context, bucket queue.Bucket, tenant string, p Page) (list []queue.Entry, next string, err error) {
	if p.Limit == 0 {
		list, err = bucket.List(ctx, tenant+".*")
		list = slices.DeleteFunc(list, func(e queue.Entry) bool { return !p.follows(tenant, e.Key) })
		slices.SortFunc(list, func(a, b queue.Entry) int { return strings.Compare(b.Key, a.Key) })
		return list, "", err
	}
	// Of a long list, only names are read, and the entries of the page.
	keys, err := bucket.Keys(ctx, tenant+".*")
	if err != nil {
		return nil, "", err
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !p.follows(tenant, key) })
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(b, a) })
	for _, key := range keys {
		e, err := bucket.Get(ctx, key)
		switch {
		case errors.Is(err, queue.ErrNotFound): // it was removed
			continue
		case err != nil:
			return nil, "", err
		case len(list) == p.Limit:
			return list, strings.TrimPrefix(list[p.Limit-1].Key, tenant+"."), nil
		}
		list = append(list, e)
	}
	return list, "", nil
}

// follows says whether the key of a job is behind the cursor.
func (p *Page) follows(tenant, key string) bool {
	return p.Cursor == "" || key < tenant+"."+p.Cursor
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
