package dispatch

import (
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/jobs/schema"
)

// The set agrees with a plain array for random ranges in random order.
func TestSet(t *testing.T) {
	const items = 60
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s set
		var plain [items]bool
		for range random.IntN(30) {
			from := random.IntN(items)
			r := schema.Range{From: from, N: 1 + random.IntN(min(9, items-from))}
			has, fresh := true, 0
			for i := r.From; i < r.End(); i++ {
				if !plain[i] {
					has = false
					fresh++
					plain[i] = true
				}
			}
			if s.has(r) != has {
				t.Fatalf("%v has %v: got %v", s.list, r, !has)
			}
			if got := s.add(r); got != fresh {
				t.Fatalf("%v, %v added: got %d new items, expected %d", s.list, r, got, fresh)
			}
		}
		compare(t, &s, plain[:])
	}
}

func compare(t *testing.T, s *set, plain []bool) {
	t.Helper()
	count, first := 0, -1
	for i, in := range plain {
		if in {
			count++
		} else if first < 0 {
			first = i
		}
	}
	if s.count != count {
		t.Fatalf("%v: got %d items, expected %d", s.list, s.count, count)
	}
	for i := 1; i < len(s.list); i++ {
		if s.list[i-1].End() >= s.list[i].From {
			t.Fatalf("%v: ranges touch", s.list)
		}
	}
	gap, ok := s.gap(len(plain), 4)
	if ok != (first >= 0) || ok && (gap.From != first || gap.N > 4) {
		t.Fatalf("%v: got gap %v, %v, expected one from %d on", s.list, gap, ok, first)
	}
	for i := gap.From; i < gap.End(); i++ {
		if plain[i] {
			t.Fatalf("%v: gap %v holds item %d", s.list, gap, i)
		}
	}
}
