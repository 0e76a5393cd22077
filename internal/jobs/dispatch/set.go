package dispatch

import (
	"slices"

	"github.com/declip/declip/internal/jobs/schema"
)

// set is a set of items. It keeps disjoint ranges that do not touch, in ascending order: batches
// end nearly in order, so there are few of them, however large the job is. The zero value is empty.
type set struct {
	list  []schema.Range
	count int // items
}

// at is the number of the first range that ends at item or behind it.
func (s *set) at(item int) int {
	i, _ := slices.BinarySearchFunc(s.list, item, func(r schema.Range, item int) int {
		if r.End() < item {
			return -1
		}
		return 1
	})
	return i
}

// add adds a range and returns how many of its items are new.
func (s *set) add(r schema.Range) int {
	first := s.at(r.From)
	from, end, known, last := r.From, r.End(), 0, first
	for ; last < len(s.list) && s.list[last].From <= r.End(); last++ {
		old := s.list[last]
		known += max(0, min(old.End(), r.End())-max(old.From, r.From))
		from, end = min(from, old.From), max(end, old.End())
	}
	s.list = slices.Replace(s.list, first, last, schema.Range{From: from, N: end - from})
	s.count += r.N - known
	return r.N - known
}

// has reports whether all items of a range are in the set.
func (s *set) has(r schema.Range) bool {
	i := s.at(r.From + 1)
	return i < len(s.list) && s.list[i].From <= r.From && s.list[i].End() >= r.End()
}

// gap is the first range of items below end that are not in the set, at most n of them; false if
// all are.
func (s *set) gap(end, n int) (schema.Range, bool) {
	from := 0
	if len(s.list) > 0 && s.list[0].From == 0 {
		from = s.list[0].End()
	}
	next := end
	if i := s.at(from + 1); i < len(s.list) {
		next = min(next, s.list[i].From)
	}
	if from >= next {
		return schema.Range{}, false
	}
	return schema.Range{From: from, N: min(n, next-from)}, true
}

// clone is a copy that shares nothing with s.
func (s *set) clone() set { return set{slices.Clone(s.list), s.count} }
