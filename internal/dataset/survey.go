package dataset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/declip/declip/internal/parallel"
)

// ErrNothingMarked is wrapped by the error about a data set whose masks are all empty.
var ErrNothingMarked = errors.New("no mask marks anything as manipulated")

// surveyed is the number of masks that are read when a data set is opened. They are spread evenly
// over it. A data set stores its masks in one way, so a few show it.
const surveyed = 48

// maskLook is what is known of one mask.
type maskLook struct {
	facts *MaskFacts // nil for an unreadable mask
	note  string
	err   error
}

// surveyMasks reads some of the masks and passes to o.Notice how they are read. It is an error if
// all of them are ambiguous, and if every mask of the data set is empty.
func (s *Set) surveyMasks(ctx context.Context, o Options) error {
	var masked []int
	for i, it := range s.items {
		if it.Mask != "" && it.problem == "" && it.Label != Untouched {
			masked = append(masked, i)
		}
	}
	if len(masked) == 0 {
		return nil
	}
	some := masked
	if n := len(masked); n > surveyed {
		some = nil
		for k := range surveyed {
			some = append(some, masked[k*n/surveyed])
		}
	}
	looks, err := s.lookAt(ctx, some)
	if err != nil {
		return err
	}
	if err := ambiguous(looks); err != nil {
		return err
	}
	s.noticeMasks(looks, some, o)
	if o.AllowEmpty {
		return nil
	}
	return s.requireMarks(ctx, masked, looks, some)
}

// lookAt reads the masks of the given items. Its error is that ctx ended.
func (s *Set) lookAt(ctx context.Context, list []int) ([]maskLook, error) {
	looks := make([]maskLook, len(list))
	err := parallel.For(ctx, len(list), runtime.GOMAXPROCS(0), func(ctx context.Context, k int) error {
		looks[k].err = parallel.Catch(func() error {
			mask, note, err := s.ReadMask(ctx, list[k])
			if err == nil {
				looks[k].facts, looks[k].note = MeasureMask(mask), note
			}
			return err
		})
		return nil
	})
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx) // the last masks may have been stopped
	}
	return looks, err
}

// ambiguous is the first error about an ambiguous mask, if no mask can be read without a rule. One
// bad mask among others is reported where it is used.
func ambiguous(looks []maskLook) error {
	var first error
	for _, l := range looks {
		bad := (*MaskError)(nil)
		switch {
		case errors.As(l.err, &bad):
			if first == nil {
				first = l.err
			}
		case l.err == nil && l.facts.White > 0:
			return nil
		}
	}
	return first
}

// noticeMasks tells how masks of the given items are read that are not 0 and 255, and whether they
// seem to be inverted, or not to be where the layout says so.
func (s *Set) noticeMasks(looks []maskLook, some []int, o Options) {
	if o.Notice == nil {
		return
	}
	notes, both, black, white := map[string]int{}, 0, 0, 0
	for k, l := range looks {
		if l.note != "" {
			notes[l.note]++
		}
		if l.facts != nil && l.facts.White > 0 && l.facts.White < 1 {
			both++
			switch p, inverted := l.facts.Polarity(), s.items[some[k]].Inverted; {
			case p == Black && !inverted:
				black++
			case p == White && inverted:
				white++
			}
		}
	}
	for _, note := range slices.Sorted(maps.Keys(notes)) {
		o.Notice(fmt.Sprintf("%s: %d of %d masks looked at have %s", s.name, notes[note], len(looks), note))
	}
	const few = 4 // masks that may be large by chance
	if o.Polarity == "" && both >= few && 5*black >= 4*both {
		o.Notice(fmt.Sprintf("%s: masks seem to be inverted: in %d of %d, white is the larger part and on most of the border; "+
			"pass --invert-masks if 0 = manipulated, --mask-polarity white if not", s.name, black, both))
	}
	if o.Polarity == "" && both >= few && 5*white >= 4*both {
		o.Notice(fmt.Sprintf("%s: masks are read as black = manipulated, which seems wrong: in %d of %d, black is the larger part and on most of the border; "+
			"pass --mask-polarity white if 255 = manipulated, black if not", s.name, white, both))
	}
}

// requireMarks is an error if every mask is empty. Masks of untouched pictures may be: those with
// the label or a method that says so. It reads the masks that were not looked at only until one
// marks something.
func (s *Set) requireMarks(ctx context.Context, masked []int, looks []maskLook, some []int) error {
	seen, claimed := map[int]bool{}, false
	for k, i := range some {
		seen[i] = true
		if l := looks[k]; l.err != nil || l.facts.Marked(s.items[i].Inverted) > 0 {
			return nil //nolint:nilerr // an unreadable mask is reported where it is used
		}
	}
	for at := 0; at < len(masked); at += surveyed {
		var next []int
		for _, i := range masked[at:min(at+surveyed, len(masked))] {
			claimed = claimed || !UntouchedMethod(s.items[i].Method)
			if !seen[i] {
				next = append(next, i)
			}
		}
		looks, err := s.lookAt(ctx, next)
		if err != nil {
			return err
		}
		for k, l := range looks {
			if l.err != nil || l.facts.Marked(s.items[next[k]].Inverted) > 0 {
				return nil //nolint:nilerr // as above
			}
		}
	}
	if !claimed {
		return nil
	}
	return fmt.Errorf("%s: %w: all %d masks are empty; pass --allow-empty-masks if all pictures are untouched",
		s.name, ErrNothingMarked, len(masked))
}

// UntouchedMethod reports whether a data set's name for a method means untouched pictures.
func UntouchedMethod(method string) bool {
	return slices.Contains([]string{"pristine", "untouched", "real", "authentic", "none"}, method)
}
