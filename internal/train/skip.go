package train

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/declip/declip/internal/dataset"
)

// loadError is an error about a picture of the data, or its mask.
type loadError struct{ error }

func (e *loadError) Unwrap() error { return e.error }

// hintSkip adds how to continue after an error about a picture.
func (t *trainer) hintSkip(err error) error {
	var load *loadError
	if t.config.SkipBad || !errors.As(err, &load) {
		return err
	}
	return fmt.Errorf("%w (--skip-bad leaves out such pictures)", err)
}

// recordSkips records pictures that are left out, each once in a training.
func (t *trainer) recordSkips(skips []dataset.Skipped) error {
	for _, s := range skips {
		if slices.Contains(t.state.Skipped, s.Name) {
			continue
		}
		t.state.Skipped = append(t.state.Skipped, s.Name)
		t.notice("left out: %v", s.Err)
		if err := t.recorder.add(record{Event: "skip", Step: t.state.Step, Epoch: t.state.Epoch + 1, Picture: s.Name, Why: s.Err.Error()}); err != nil {
			return err
		}
	}
	return nil
}

// skips collects pictures that cannot be read, from several goroutines.
type skips struct {
	mu    sync.Mutex
	found []dataset.Skipped
}

func (s *skips) add(one dataset.Skipped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, one)
}

// list returns the pictures in an order that does not depend on timing.
func (s *skips) list() []dataset.Skipped {
	slices.SortFunc(s.found, func(a, b dataset.Skipped) int { return strings.Compare(a.Name, b.Name) })
	return s.found
}
