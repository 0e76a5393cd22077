package parallel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

func explode() { panic("it broke") }

func TestGroupTurnsPanicsIntoErrors(t *testing.T) {
	var plain Group
	limited, ctx := WithContext(context.Background())
	limited.SetLimit(1)
	for name, g := range map[string]*Group{"plain": &plain, "limited": limited} {
		for range 3 {
			g.Go(func() error { return nil })
		}
		g.Go(func() error { explode(); return nil })
		err := g.Wait()
		if err == nil || !strings.Contains(err.Error(), "it broke") {
			t.Errorf("%s: got %v, expected the panic", name, err)
		}
		if stack := string(Stack(err)); !strings.Contains(stack, "explode") {
			t.Errorf("%s: the stack does not show where it broke: %s", name, stack)
		}
	}
	if ctx.Err() == nil {
		t.Error("the group's context did not end with the panic")
	}
}

func TestGroupKeepsErrors(t *testing.T) {
	var g Group
	g.Go(func() error { return io.ErrUnexpectedEOF })
	if err := g.Wait(); !errors.Is(err, io.ErrUnexpectedEOF) || Stack(err) != nil {
		t.Errorf("got %v with stack %q", err, Stack(err))
	}
}

// A panic of a worker reaches the caller as a panic that keeps the worker's stack.
func TestEachPanicsInTheCaller(t *testing.T) {
	calls := 0
	err := Catch(func() error {
		Each(100, 1, func(i int) {
			if calls++; i == 5 {
				explode()
			}
		})
		return nil
	})
	if err == nil || !strings.Contains(string(Stack(err)), "explode") {
		t.Errorf("got %v with stack %s", err, Stack(err))
	}
	if calls > 7 { // one more may begin before the panic is noted
		t.Errorf("%d calls, expected none after the sixth panicked", calls)
	}
}

// A panic of Each that nothing recovers is printed by Go as the text of its value.
func TestEachPanicsWithTheStack(t *testing.T) {
	defer func() {
		text := fmt.Sprint(recover())
		if !strings.Contains(text, "it broke") || !strings.Contains(text, "explode") {
			t.Errorf("the panic's text does not show where it broke: %s", text)
		}
	}()
	Each(2, 2, func(int) { explode() })
}

func TestEachDoesAll(t *testing.T) {
	var sum atomic.Int64
	Each(101, 3, func(i int) { sum.Add(int64(i)) })
	if got := sum.Load(); got != 5050 {
		t.Errorf("got %d, expected 5050", got)
	}
	Each(0, 0, func(int) { t.Error("called for no work") })
}

func TestForReturnsTheFirstError(t *testing.T) {
	var calls atomic.Int64
	err := For(context.Background(), 1000, 1, func(ctx context.Context, i int) error {
		calls.Add(1)
		if i == 3 {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
	if err != io.ErrUnexpectedEOF || calls.Load() != 4 {
		t.Errorf("got %v after %d calls, expected %v after 4", err, calls.Load(), io.ErrUnexpectedEOF)
	}
	if err := For(context.Background(), 3, -1, func(context.Context, int) error { explode(); return nil }); Stack(err) == nil {
		t.Errorf("got %v, expected the panic", err)
	}
}

// A context that has ended is reported by its cause, and nothing is called.
func TestForStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(io.ErrClosedPipe)
	err := For(ctx, 10, 2, func(context.Context, int) error { t.Error("called"); return nil })
	if err != io.ErrClosedPipe {
		t.Errorf("got %v, expected %v", err, io.ErrClosedPipe)
	}
}

func TestGroupKeepsItsLimit(t *testing.T) {
	for limit, want := range map[int]int64{-1: 1, 0: 1, 3: 3} {
		var g Group // the zero value, too, can be limited
		g.SetLimit(limit)
		var running, most atomic.Int64
		for range 50 {
			g.Go(func() error {
				n := running.Add(1)
				old := most.Load()
				for n > old && !most.CompareAndSwap(old, n) {
					old = most.Load()
				}
				runtime.Gosched()
				running.Add(-1)
				return nil
			})
		}
		if err := g.Wait(); err != nil || most.Load() > want {
			t.Errorf("limit %d: %d at a time, %v; expected at most %d", limit, most.Load(), err, want)
		}
	}
}

// runtime.Goexit, which testing.T.FailNow calls, must neither pass for success nor block the
// waiting goroutine.
func TestExitedGoroutines(t *testing.T) {
	exit := func() error { runtime.Goexit(); return nil }
	g, ctx := WithContext(context.Background())
	g.SetLimit(1)
	g.Go(exit)
	g.Go(func() error { return nil })
	if err := g.Wait(); err != ErrExited || ctx.Err() == nil {
		t.Errorf("Group: %v, context %v", err, ctx.Err())
	}
	if err := g.Wait(); err != ErrExited {
		t.Errorf("Group, waited for again: %v", err)
	}
	if err := <-Go(exit); err != ErrExited {
		t.Errorf("Go: %v", err)
	}
	if _, err := Start(func() (int, error) { return 0, exit() })(); err != ErrExited {
		t.Errorf("Start: %v", err)
	}
	err := Catch(func() error { Each(3, 1, func(int) { runtime.Goexit() }); return nil })
	if !errors.Is(err, ErrExited) {
		t.Errorf("Each: %v", err)
	}
}

// A panic with nil is a panic: the runtime gives it a value.
func TestNilPanic(t *testing.T) {
	var none any
	err := <-Go(func() error { panic(none) })
	var value *runtime.PanicNilError
	if !errors.As(err, &value) {
		t.Errorf("got %v, expected a %T", err, value)
	}
}

func TestStartAndGo(t *testing.T) {
	wait := Start(func() (int, error) { return 7, nil })
	for range 2 {
		if v, err := wait(); v != 7 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
	}
	if _, err := Start(func() (int, error) { explode(); return 7, nil })(); err == nil {
		t.Error("a panic was lost")
	}
	if err := <-Go(func() error { explode(); return nil }); err == nil {
		t.Error("a panic was lost")
	}
	if err := <-Go(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// errors.Is finds the value of a panic if it is an error.
func TestPanicErrorUnwraps(t *testing.T) {
	if err := Catch(func() error { panic(io.EOF) }); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	err := Catch(func() error { panic(Catch(func() error { explode(); return nil })) })
	if !strings.Contains(string(Stack(err)), "explode") || strings.Count(err.Error(), "internal error") != 1 {
		t.Errorf("passed on twice: %v", err)
	}
}

func TestPoint(t *testing.T) {
	Point("decode") // nothing is injected
	restore := Inject(func(stage string) { panic("fault in " + stage) })
	err := Catch(func() error { Point("decode"); return nil })
	restore()
	if err == nil || !strings.Contains(err.Error(), "fault in decode") {
		t.Errorf("got %v", err)
	}
	Point("decode")
}
