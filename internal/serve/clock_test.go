package serve

import (
	"errors"
	"testing"
)

// The first failure to accept is reported at once, the following ones are not. The wall clock does
// not matter.
func TestAcceptWarnings(t *testing.T) {
	count := 0
	l := newListener(nil, 1, connReport{failed: func(error) { count++ }})
	for range 100 {
		l.warn(errors.New("too many open files"))
	}
	if count != 1 {
		t.Errorf("reported %d times, expected once", count)
	}
	l.began = l.began.Add(-acceptWarnings) // so much later
	l.warn(errors.New("too many open files"))
	if count != 2 {
		t.Errorf("later: reported %d times, expected twice", count)
	}
}
