package parallel

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Group runs functions in goroutines and collects their first error. It has the methods of
// golang.org/x/sync/errgroup, but panics and exited goroutines count as errors. The zero value has
// no limit and no context.
type Group struct {
	cancel context.CancelCauseFunc // nil without a context
	places chan struct{}           // one for each running goroutine; nil without a limit
	wait   sync.WaitGroup
	once   sync.Once
	err    error // the first error
}

// WithContext returns a group, and a context that ends with the group's first error or when Wait
// returns.
func WithContext(ctx context.Context) (*Group, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Group{cancel: cancel}, ctx
}

// SetLimit limits the number of goroutines that run at a time; a limit below 1 counts as 1. It must
// be called before the first Go.
func (g *Group) SetLimit(n int) { g.places = make(chan struct{}, max(1, n)) }

// Go runs f in a goroutine. If the limit is reached, it waits until another goroutine has ended.
func (g *Group) Go(f func() error) {
	if g.places != nil {
		g.places <- struct{}{}
	}
	g.wait.Add(1)
	go report(f, g.done)
}

// done records the outcome of one goroutine.
func (g *Group) done(err error) {
	if err != nil {
		g.once.Do(func() {
			g.err = err
			if g.cancel != nil {
				g.cancel(err)
			}
		})
	}
	if g.places != nil {
		<-g.places
	}
	g.wait.Done()
}

// Wait waits for all goroutines and returns the first error.
func (g *Group) Wait() error {
	g.wait.Wait()
	if g.cancel != nil {
		g.cancel(g.err)
	}
	return g.err
}

// report runs f and passes its error to done: that of a panic, too, and ErrExited if f ends the
// goroutine.
func report(f func() error, done func(error)) {
	err := ErrExited
	defer func() { done(err) }()
	err = Catch(f)
}

// For calls f for 0 to n-1, with at most the given number of calls at a time; with less than 1
// worker it makes one call for each core that the process may use. After an error, or when ctx has
// ended, it makes no further call and ends the context of those in progress. It returns the first
// error; if ctx has ended, its cause.
func For(ctx context.Context, n, workers int, f func(ctx context.Context, i int) error) error {
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	g, all := WithContext(ctx)
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error {
			if all.Err() != nil {
				return context.Cause(all)
			}
			return f(all, i)
		})
	}
	return g.Wait()
}

// Each calls work for 0 to n-1, with at most the given number of calls at a time (at least 1), and
// waits for all. If one panics, no further call is made, and Each panics with the same value once
// the calls in progress have returned.
func Each(n, workers int, work func(i int)) {
	var g Group
	g.SetLimit(workers)
	var failed atomic.Bool
	for i := 0; i < n && !failed.Load(); i++ {
		g.Go(func() error {
			ended := false
			defer func() {
				if !ended {
					failed.Store(true)
				}
			}()
			work(i)
			ended = true
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		repeat(err)
	}
}

// Start runs f in a goroutine. The returned function waits for f and returns its outcome; it may be
// called more than once.
func Start[T any](f func() (T, error)) (wait func() (T, error)) {
	var value T
	done := Go(func() (err error) {
		value, err = f()
		return err
	})
	outcome := sync.OnceValue(func() error { return <-done })
	return func() (T, error) {
		err := outcome()
		return value, err
	}
}

// Go runs f in a goroutine and sends its outcome on the channel. Nothing needs to receive it.
func Go(f func() error) <-chan error {
	done := make(chan error, 1)
	go report(f, func(err error) { done <- err })
	return done
}
