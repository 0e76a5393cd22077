package results

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
)

// ErrIncomplete is wrapped by errors about jobs of which results are missing.
var ErrIncomplete = errors.New("results are missing")

// Ranges lists the parts of a job, by their first items and the longer ones first.
func Ranges(ctx context.Context, from store.Store, job *schema.Job) ([]schema.Range, error) {
	var list []schema.Range
	for info, err := range from.List(ctx, job.PartsPrefix()) {
		if err != nil {
			return nil, err
		}
		r, err := job.PartRange(info.Key)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b schema.Range) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.N, a.N))
	})
	return list, nil
}

// Line is the record of an item and its line of JSON, which ends with a line feed. The bytes are
// valid until the next one.
type Line struct {
	Record schema.Record
	Text   []byte
}

// Stream gives the records of a job in the order of its items, from an item on. It ends before the
// first item that has no record yet: Next says which one that is.
type Stream struct {
	// Next is the item that follows the last one that was given.
	Next int

	from store.Store
	job  *schema.Job
	err  error
}

// NewStream makes a stream of the records from an item on.
func NewStream(from store.Store, job *schema.Job, first int) *Stream {
	return &Stream{Next: first, from: from, job: job}
}

// Err is the error that ended the last call of All.
func (s *Stream) Err() error { return s.err }

// All gives the records that there are. It may be called again when there are more.
func (s *Stream) All(ctx context.Context) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		s.err = nil
		parts, err := Ranges(ctx, s.from, s.job)
		if err != nil {
			s.err = err
			return
		}
		parts = slices.DeleteFunc(parts, func(r schema.Range) bool { return r.End() <= s.Next })
		for len(parts) > 0 && parts[0].From <= s.Next {
			n := 1 // parts that overlap one another
			for end := parts[0].End(); n < len(parts) && parts[n].From < end; n++ {
				end = max(end, parts[n].End())
			}
			// Parts that do not overlap are read some at a time.
			for n < len(parts) && n < readAtOnce && parts[n].From == parts[n-1].End() && !overlaps(parts, n) {
				n++
			}
			if !s.give(ctx, parts[:n], yield) {
				return
			}
			parts = parts[n:]
		}
	}
}

// readAtOnce is how many parts are read at the same time.
const readAtOnce = 8

// overlaps says whether the part behind part i begins within it.
func overlaps(parts []schema.Range, i int) bool {
	return i+1 < len(parts) && parts[i+1].From < parts[i].End()
}

// give reads parts that follow one another and gives their records.
func (s *Stream) give(ctx context.Context, parts []schema.Range, yield func(Line) bool) bool {
	read := make([][]line, len(parts))
	s.err = parallel.For(ctx, len(parts), readAtOnce, func(ctx context.Context, i int) (err error) {
		read[i], err = readPart(ctx, s.from, s.job, parts[i])
		return err
	})
	if s.err != nil {
		return false
	}
	from, end := parts[0].From, 0
	for _, r := range parts {
		end = max(end, r.End())
	}
	best := make([]*line, end-from)
	for i, lines := range read {
		for k := range lines {
			place := &best[parts[i].From+k-from]
			if *place == nil || (*place).record.Status != schema.StatusOK && lines[k].record.Status == schema.StatusOK {
				*place = &lines[k]
			}
		}
	}
	for s.Next < end {
		l := best[s.Next-from]
		s.Next++
		if !yield(Line{l.record, l.text}) {
			return false
		}
	}
	return true
}

// complete returns an error if the stream has not reached the end of the job.
func (s *Stream) complete() error {
	if s.err != nil {
		return s.err
	}
	if s.Next < s.job.Items {
		return fmt.Errorf("job %s: %w from item %d on", s.job.ID, ErrIncomplete, s.Next)
	}
	return nil
}
