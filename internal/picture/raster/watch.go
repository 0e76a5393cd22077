package raster

import "context"

// watchEvery is the number of samples between two looks at a context: about a millisecond's work.
const watchEvery = 1 << 18

// Watch lets a decoder stop when its context ends, without looking at the context for each row.
type Watch struct {
	ctx  context.Context //nolint:containedctx // lives as long as the call that made it
	left int
}

// NewWatch returns a watch whose first call of Spend looks at ctx.
func NewWatch(ctx context.Context) *Watch { return &Watch{ctx: ctx} }

// Spend counts work of about n samples. It returns the error of the context if that has ended.
func (w *Watch) Spend(n int) error {
	if w.left -= n; w.left > 0 {
		return nil
	}
	w.left = watchEvery
	return w.ctx.Err()
}
