package results

import (
	"context"
	"slices"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// Bad lists the items of a job that are dead and, with failed, all that have no result, and the
// parts that hold their records. Items with a result in another part are not among them.
func Bad(ctx context.Context, from store.Store, job *schema.Job, failed bool) (items []int, parts []schema.Range, err error) {
	s := NewStream(from, job, 0)
	for l := range s.All(ctx) {
		if l.Record.Status == schema.StatusDead || failed && l.Record.Status == schema.StatusError {
			items = append(items, l.Record.Item)
		}
	}
	if s.err != nil || len(items) == 0 {
		return nil, nil, s.err
	}
	all, err := Ranges(ctx, from, job)
	for _, r := range all {
		if i, _ := slices.BinarySearch(items, r.From); i < len(items) && items[i] < r.End() {
			parts = append(parts, r)
		}
	}
	return items, parts, err
}
