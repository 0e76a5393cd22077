package runs

import (
	"context"
	"errors"
	"fmt"
)

// Claim is a worker's right to move a run's checkpoint. It ends when another worker claims the run:
// from then on all methods that write return ErrLost. It is used by one goroutine at a time.
type Claim struct {
	// Entry is how far the run was when it was claimed, and since then what this claim has written.
	Entry

	book     *Book
	run      string
	revision uint64
	saved    int // checkpoints of this claim
}

// Claim claims a run for a worker: the claim of any other worker ends. The error is ErrOver if
// there is nothing to do.
func (b *Book) Claim(ctx context.Context, run, worker string) (*Claim, error) {
	if _, err := b.result(ctx, run); !errors.Is(err, ErrUnknown) {
		if err == nil {
			err = fmt.Errorf("run %s: %w", run, ErrOver)
		}
		return nil, err
	}
	const most = 10 // somebody else may change it meanwhile
	for i := 0; ; i++ {
		e, revision, err := b.entry(ctx, run)
		switch {
		case err != nil && !errors.Is(err, ErrUnknown):
			return nil, err
		case e.State == Done: // its worker died before it wrote the result
			return nil, errors.Join(b.finish(ctx, run, &e), fmt.Errorf("run %s: %w", run, ErrOver))
		case e.State == Failed:
			return nil, fmt.Errorf("run %s: %w: %s", run, ErrOver, e.Problem)
		}
		e.State, e.Worker, e.Attempt, e.Starts = Running, worker, e.Attempt+1, e.Starts+1
		revision, err = b.write(ctx, run, &e, revision)
		if errors.Is(err, ErrLost) && i < most {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &Claim{Entry: e, book: b, run: run, revision: revision}, nil
	}
}

// move writes a changed entry.
func (c *Claim) move(ctx context.Context, e Entry) error {
	revision, err := c.book.write(ctx, c.run, &e, c.revision)
	if err != nil {
		return err
	}
	c.Entry, c.revision = e, revision
	return nil
}

// Save makes files of a directory the run's checkpoint at a step. The files of the checkpoint
// before are deleted.
func (c *Claim) Save(ctx context.Context, step int64, dir string, names []string) error {
	e := c.Entry
	e.Step, e.Starts, e.Refused, e.Problem = step, 1, 0, ""
	return c.replace(ctx, e, dir, names)
}

// replace stores files and moves the entry to them.
func (c *Claim) replace(ctx context.Context, e Entry, dir string, names []string) (err error) {
	before := c.Files
	c.saved++
	e.Files, err = c.book.upload(ctx, c.run, fmt.Sprintf("%d-%d", c.Attempt, c.saved), dir, names)
	if err != nil {
		return err
	}
	if err := c.move(ctx, e); err != nil {
		if errors.Is(err, ErrLost) {
			err = errors.Join(err, c.book.remove(ctx, e.Files))
		}
		return err
	}
	return c.book.remove(ctx, before)
}

// Finish makes files of a directory the run's result. The files of the last checkpoint are deleted.
func (c *Claim) Finish(ctx context.Context, dir string, names []string) error {
	e := c.Entry
	e.State, e.Problem = Done, ""
	if err := c.replace(ctx, e, dir, names); err != nil {
		return err
	}
	return c.book.finish(ctx, c.run, &c.Entry)
}

// Fail ends the run with a problem. Its checkpoint stays.
func (c *Claim) Fail(ctx context.Context, problem string) error {
	e := c.Entry
	e.State, e.Problem = Failed, problem
	return c.move(ctx, e)
}

// Release gives the run back, for another worker to continue: that this one began does not count.
func (c *Claim) Release(ctx context.Context) error {
	e := c.Entry
	e.Starts = max(0, e.Starts-1)
	return c.move(ctx, e)
}

// Refuse gives the run back because this worker cannot work on it.
func (c *Claim) Refuse(ctx context.Context, reason string) error {
	e := c.Entry
	e.Starts, e.Refused, e.Problem = max(0, e.Starts-1), e.Refused+1, reason
	return c.move(ctx, e)
}
