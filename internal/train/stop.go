package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/files"
)

// leave ends a run early: because ctx ended, or for a reason that is reported. Either way what was trained is kept, if
// it can be: in a checkpoint of this step, or in the one before.
func (t *trainer) leave(ctx context.Context, cause error) error {
	if errors.Is(cause, ErrNotFinite) {
		return cause // the checkpoint before is nearer to weights of use
	}
	interrupted := ctx.Err() != nil
	if t.torn {
		return fmt.Errorf("%w%s", cause, t.resumeHint())
	}
	t.state.Elapsed = t.elapsed()
	why := "interrupted"
	if !interrupted {
		why = cause.Error()
	}
	err := t.recorder.add(record{Event: "end", Step: t.state.Step, Epoch: t.state.Epoch, Seconds: t.elapsed().Seconds(), Why: why})
	if err == nil && (interrupted || t.state.Step > max(t.saved, 0)) {
		err = t.saveLast()
	}
	switch {
	case !interrupted:
		return fmt.Errorf("%w%s", cause, t.resumeHint())
	case err != nil:
		return fmt.Errorf("interrupted after step %d: %w%s", t.state.Step, err, t.resumeHint())
	}
	return fmt.Errorf("%w after step %d: %w", ErrInterrupted, t.state.Step, context.Cause(ctx))
}

// loadError is trouble with a picture of the data, or its mask.
type loadError struct{ error }

func (e *loadError) Unwrap() error { return e.error }

// hintSkip says how to go on after trouble with a picture.
func (t *trainer) hintSkip(err error) error {
	var load *loadError
	if t.config.SkipBad || !errors.As(err, &load) {
		return err
	}
	return fmt.Errorf("%w (--skip-bad leaves such pictures out)", err)
}

// resumeHint says what is left of the training after a failure.
func (t *trainer) resumeHint() string {
	if t.saved < 0 {
		return ""
	}
	return fmt.Sprintf("; nothing up to step %d is lost: --resume goes on from there", t.saved)
}

// lockOutput keeps a second training out of the folder, and removes what a killed one left half-written.
func (t *trainer) lockOutput() (err error) {
	path := filepath.Join(t.config.Out, ".lock")
	if t.lock, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	switch err := files.LockExclusive(t.lock); {
	case errors.Is(err, files.ErrNoLocks):
		return nil
	case errors.Is(err, files.ErrLocked):
		return fmt.Errorf("%w: %s, and it is still running", ErrOccupied, t.config.Out)
	case err != nil:
		return fmt.Errorf("output: %s: %w", path, err)
	}
	for _, name := range []string{bestFile, lastFile} {
		left, err := filepath.Glob(filepath.Join(t.config.Out, "."+name+".*.tmp"))
		if err != nil {
			return err
		}
		for _, file := range left {
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("output: %w", err)
			}
		}
	}
	return nil
}

// recordSkips takes note of pictures that are left out, each once in a training.
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

// skips gathers pictures that cannot be read, from several goroutines.
type skips struct {
	mu    sync.Mutex
	found []dataset.Skipped
}

func (s *skips) add(one dataset.Skipped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, one)
}

// list gives them in an order that does not depend on who was faster.
func (s *skips) list() []dataset.Skipped {
	slices.SortFunc(s.found, func(a, b dataset.Skipped) int { return strings.Compare(a.Name, b.Name) })
	return s.found
}

// endLap takes the time of an epoch.
func (t *trainer) endLap() {
	now := time.Now()
	t.lap, t.lapBegan = now.Sub(t.lapBegan), now
}

// left is about how long the training takes from here on, if no schedule ends it early: the rest of this epoch at the
// speed so far, and the others as long as the one before.
func (t *trainer) left() time.Duration {
	step := time.Duration(0) // the time of one
	if speed := t.meter.speed(); t.meter.steps > 0 {
		step = time.Duration(float64(time.Second) / speed)
	} else if t.lap > 0 {
		step = max(0, t.lap-t.state.Validation) / time.Duration(t.perEpoch)
	}
	whole := t.lap
	if whole == 0 {
		whole = step*time.Duration(t.perEpoch) + t.state.Validation
	}
	done := t.state.Step - int64(t.state.Epoch)*t.perEpoch // of this epoch
	left := time.Duration(t.config.Epochs-t.state.Epoch) * whole
	if done > 0 {
		left += time.Duration(t.perEpoch-done)*step + t.state.Validation - whole
	}
	if t.config.MaxTime > 0 {
		left = min(left, t.config.MaxTime-t.elapsed())
	}
	return max(0, left)
}
