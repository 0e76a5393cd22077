package parallel

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Group is an errgroup.Group that turns panics into errors. The zero value has no limit and no context.
type Group struct {
	inner *errgroup.Group // nil until the first use of a zero Group
	once  sync.Once
}

func (g *Group) errgroup() *errgroup.Group {
	g.once.Do(func() {
		if g.inner == nil {
			g.inner = new(errgroup.Group)
		}
	})
	return g.inner
}

// WithContext gives a group and a context that ends with the group's first error, or when Wait returns.
func WithContext(ctx context.Context) (*Group, context.Context) {
	inner, ctx := errgroup.WithContext(ctx)
	return &Group{inner: inner}, ctx
}

// SetLimit limits the number of goroutines at a time. It must be called before the first Go.
func (g *Group) SetLimit(n int) { g.errgroup().SetLimit(n) }

// Go runs f in a goroutine. With a limit it waits until f may start.
func (g *Group) Go(f func() error) {
	g.errgroup().Go(func() error { return Catch(f) })
}

// Wait waits for all goroutines and gives the first error, a *PanicError included.
func (g *Group) Wait() error { return g.errgroup().Wait() }

// For calls f for 0 to n-1 with at most the given number of calls at a time; 0 workers: one for each core that
// the process may use. After an error, or when ctx has ended, no further call is made, and the context of those
// in progress has ended. The error is the first one.
func For(ctx context.Context, n, workers int, f func(ctx context.Context, i int) error) error {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	g, all := WithContext(ctx)
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error {
			if err := all.Err(); err != nil {
				return err
			}
			return f(all, i)
		})
	}
	return g.Wait()
}

// Each calls work(0) to work(n-1), at most workers of them at a time, and waits for all. A panic of one stops
// the start of further ones and becomes a panic of the caller.
func Each(n, workers int, work func(i int)) {
	var g Group
	g.SetLimit(max(1, workers))
	var mu sync.Mutex
	failed := false
	for i := range n {
		mu.Lock()
		stop := failed
		mu.Unlock()
		if stop {
			break
		}
		g.Go(func() error {
			err := Catch(func() error { work(i); return nil })
			if err != nil {
				mu.Lock()
				failed = true
				mu.Unlock()
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		panic(err)
	}
}

// Start runs f in a goroutine. The function that it gives waits for f and gives its outcome; it may be called
// more than once.
func Start[T any](f func() (T, error)) (wait func() (T, error)) {
	var value T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = Catch(func() (inner error) {
			value, inner = f()
			return inner
		})
	}()
	return func() (T, error) {
		<-done
		return value, err
	}
}

// Go runs f in a goroutine and sends its outcome on the channel, which nobody needs to read.
func Go(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- Catch(f) }()
	return done
}
