package queue

import (
	"context"

	"github.com/declip/declip/internal/parallel"
)

// KeepBeating says again and again that a message is worked on, until ctx ends. failed is called
// with the error of each attempt that fails: another worker may then be given the message.
func KeepBeating(ctx context.Context, lease Lease, failed func(error)) {
	for parallel.Sleep(ctx, BeatEvery) == nil {
		attempt, done := context.WithTimeout(ctx, BeatEvery)
		if err := lease.Beat(attempt); err != nil && ctx.Err() == nil {
			failed(err)
		}
		done()
	}
}
