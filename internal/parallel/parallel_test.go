package parallel

import (
	"context"
	"errors"
	"io"
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
	err := Catch(func() error {
		Each(100, 2, func(i int) {
			if i == 5 {
				explode()
			}
		})
		return nil
	})
	if err == nil || !strings.Contains(string(Stack(err)), "explode") {
		t.Errorf("got %v with stack %s", err, Stack(err))
	}
}

func TestEachDoesAll(t *testing.T) {
	var sum atomic.Int64
	Each(101, 3, func(i int) { sum.Add(int64(i)) })
	if got := sum.Load(); got != 5050 {
		t.Errorf("got %d, expected 5050", got)
	}
	Each(0, 0, func(int) { t.Error("called for no work") })
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

// The value of a panic can be told with errors.As and errors.Is where it is an error.
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
