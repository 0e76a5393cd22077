package sandbox

import (
	"context"
	"errors"
	"time"
)

var errTime = errors.New("decoding takes too long")

// Places holds a value for each decoder that runs; its capacity is how many may run at once. Each
// may take MaxMemory.
type Places chan struct{}

// Within waits for a place and calls do with a context that ends with ctx, and after the limit with
// the error that decoding takes too long. If ctx ends before there is a place, the error is ctx's.
func Within[T any](ctx context.Context, p Places, limit time.Duration, do func(context.Context) (T, error)) (T, error) {
	select {
	case p <- struct{}{}:
		defer func() { <-p }()
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTime)
	defer cancel()
	return do(ctx)
}
