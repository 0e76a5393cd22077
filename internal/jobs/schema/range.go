package schema

import (
	"fmt"

	"github.com/declip/declip/internal/jobs/queue"
)

// Range is a part of a job's items: N of them, from item From on.
type Range struct {
	From, N int
}

// End is the item behind the range.
func (r Range) End() int { return r.From + r.N }

// String is FROM-N, the name of a batch and of its part.
func (r Range) String() string { return queue.RangeName(r.From, r.N) }

// ParseRange reads what Range.String wrote; any other spelling is an error that wraps ErrInvalid.
func ParseRange(text string) (Range, error) {
	from, n, err := queue.ParseRange(text)
	if err != nil {
		return Range{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	r := Range{from, n}
	return r, r.check("range")
}

// MaxItems is the largest number of items in a job.
const MaxItems = 1 << 40

func (r Range) check(what string) error {
	if r.From < 0 || r.N < 1 || r.N > MaxItems || r.From > MaxItems-r.N {
		return invalid(what, "from %d, %d items", r.From, r.N)
	}
	return nil
}
