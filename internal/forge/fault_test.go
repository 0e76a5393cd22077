package forge

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/declip/declip/internal/parallel"
)

// breakOnce makes the n-th call of a stage panic, counted from 1.
func breakOnce(t *testing.T, stage string, n int32) {
	t.Helper()
	var calls atomic.Int32
	t.Cleanup(parallel.Inject(func(s string) {
		if s == stage && calls.Add(1) == n {
			panic("injected fault")
		}
	}))
}

// A photograph that makes the decoder panic is skipped and listed, and all pictures are made.
func TestPhotographThatPanicsIsSkipped(t *testing.T) {
	c := testConfig(t, photoFolder(t, 5))
	breakOnce(t, "load", 2)
	s, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Made != c.Count || len(s.Unreadable) != 1 || !strings.Contains(s.Unreadable[0].Err.Error(), "injected fault") ||
		!strings.Contains(s.Unreadable[0].Err.Error(), s.Unreadable[0].Path) {
		t.Errorf("made %d of %d, unreadable %v", s.Made, c.Count, s.Unreadable)
	}
}

// A panic in a method is an error that names the picture.
func TestPictureThatPanicsIsNamed(t *testing.T) {
	c := testConfig(t, photoFolder(t, 3))
	c.Workers = 1
	breakOnce(t, "forge", 2)
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "picture 1: ") || parallel.Stack(err) == nil {
		t.Errorf("got %v, want the panic of picture 1", err)
	}
}

// In Vary, too, a photograph that panics is skipped, and a panic in a picture names its photograph.
func TestVaryPanics(t *testing.T) {
	photos := photoFolder(t, 3)
	c := DefaultVaryConfig()
	c.Photos, c.Out, c.Copies, c.Workers = photos, t.TempDir(), 2, 1
	breakOnce(t, "load", 2)
	v, err := Vary(t.Context(), c)
	if err != nil || v.Made != 4 || len(v.Unreadable) != 1 {
		t.Errorf("made %d, unreadable %v, error %v; want 4 pictures and 1 photograph", v.Made, v.Unreadable, err)
	}
	c.Out = t.TempDir()
	breakOnce(t, "forge", 1)
	if _, err := Vary(t.Context(), c); err == nil || parallel.Stack(err) == nil || !strings.Contains(err.Error(), ".") {
		t.Errorf("got %v, want the panic with the photograph's name", err)
	}
}
