package dataset

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/declip/declip/internal/parallel"
)

// breakAt makes the n-th call of a stage panic, counted from 1.
func breakAt(t *testing.T, stage string, n int32) {
	t.Helper()
	var calls atomic.Int32
	restore := parallel.Inject(func(s string) {
		if s == stage && calls.Add(1) == n {
			panic("injected fault")
		}
	})
	t.Cleanup(restore)
}

// files is a source of named pictures.
type files struct{ numbered }

func (*files) Path(i int) string { return string(rune('a'+i)) + ".png" }

func newFiles() *files { return &files{numbered{n: 6, bad: -1}} }

// A picture that makes the loader panic ends the sequence with an error that names it.
func TestLoaderPanicNamesThePicture(t *testing.T) {
	before := runtime.NumGoroutine()
	breakAt(t, "load", 3)
	l := newTestLoader(t, newFiles(), LoaderOptions{BatchSize: 2})
	var last error
	for _, err := range l.Batches(context.Background(), 0) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), ".png: ") || parallel.Stack(last) == nil {
		t.Errorf("got %v, want the panic with the picture's name", last)
	}
	for range 50 { // goroutines need a moment to end
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines are left, %d were there before", runtime.NumGoroutine(), before)
}

// With SkipBad such a picture is left out, and the loader continues with the others.
func TestLoaderSkipsPanics(t *testing.T) {
	breakAt(t, "load", 3)
	l := newTestLoader(t, newFiles(), LoaderOptions{BatchSize: 2, SkipBad: true})
	var skipped []Skipped
	steps := 0
	for b, err := range l.Batches(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		skipped = append(skipped, b.Skipped...)
		b.Release()
		if steps++; steps == 6 {
			break
		}
	}
	if len(skipped) != 1 || !strings.HasSuffix(skipped[0].Name, ".png") || parallel.Stack(skipped[0].Err) == nil {
		t.Errorf("skipped %v, want the one picture that panicked", skipped)
	}
}

// A panic while examples are made is an error, too, SkipBad or not: the next picture would do the
// same.
func TestMakerPanicNamesThePicture(t *testing.T) {
	l, err := NewLoader(newFiles(), brokenMaker{}, LoaderOptions{BatchSize: 2, SkipBad: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range l.Batches(context.Background(), 0) {
		if err == nil || !strings.Contains(err.Error(), ".png: ") || !strings.Contains(err.Error(), "broken maker") {
			t.Errorf("got %v, want the maker's panic with the picture's name", err)
		}
		return
	}
	t.Error("the sequence ended without an error")
}

type brokenMaker struct{}

func (brokenMaker) Shape() Shape              { return Shape{Height: 1, Width: 1, TargetHeight: 1, TargetWidth: 1} }
func (brokenMaker) Make(Sample, []Draw) error { panic("broken maker") }

// writeSet writes a data set of n pictures with masks.
func writeSet(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		writePair(t, dir, string(rune('a'+i))+".png", 9, 8, 9, 8)
	}
	return dir
}

// A file whose header makes the check panic is one problem of the data set.
func TestHeaderPanicIsAProblem(t *testing.T) {
	dir := writeSet(t, 3)
	breakAt(t, "header", 2)
	_, err := Open(context.Background(), dir, Options{})
	var pair *PairError
	if !errors.As(err, &pair) || len(pair.Problems) != 1 || !strings.Contains(pair.Problems[0], "injected fault") {
		t.Errorf("got %v, want one problem", err)
	}
}

// Opening a data set stops when its context ends.
func TestOpenStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := writeSet(t, 3)
	if _, err := Open(ctx, dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: got %v, want context.Canceled", err)
	}
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Load: got %v, want context.Canceled", err)
	}
}
