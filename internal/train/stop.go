package train

import (
	"context"
	"errors"
	"fmt"
)

// stop ends a run early: because ctx ended, or because of an error, which is recorded. If possible
// it keeps what was trained, in a checkpoint of this step; otherwise the previous checkpoint
// remains.
func (t *trainer) stop(ctx context.Context, cause error) error {
	if errors.Is(cause, ErrNotFinite) {
		return cause // the previous checkpoint has better weights
	}
	interrupted := ctx.Err() != nil
	if t.inconsistent {
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

// resumeHint says what remains of the training after a failure.
func (t *trainer) resumeHint() string {
	if t.saved < 0 {
		return ""
	}
	return fmt.Sprintf("; nothing up to step %d is lost: --resume continues from there", t.saved)
}
