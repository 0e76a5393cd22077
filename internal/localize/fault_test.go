package localize

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/forensics"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// detecting opens a tiled network that all detectors run for.
func detecting(t *testing.T) *Model {
	t.Helper()
	n := small(t)
	if err := n.AddDetectors(forensics.Names()...); err != nil {
		t.Fatal(err)
	}
	return openFile(t, stored(t, n).Path())
}

func openFile(t *testing.T, path string) *Model {
	t.Helper()
	m, err := Open(path, Options{Library: enginetest.Library(t), Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// grain is a picture with texture everywhere, so that detectors have work.
func grain(w, h int) *picture.Picture {
	rng := rand.New(rand.NewPCG(6, 6))
	p := picture.NewRGB(w, h)
	for i := range p.Pix {
		p.Pix[i] = uint8(rng.IntN(256))
	}
	return picture.New(p)
}

// settled waits until no more goroutines run than before.
func settled(t *testing.T, before int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// A panic in any stage is an error of the picture. No goroutine stays, and the next picture is
// localized.
func TestPanicsBelongToThePicture(t *testing.T) {
	resized := networktest.Store(t, networktest.Tensors(slices.Concat(vision("visual."), networktest.Linear("", 64))), networktest.Published("layer1", ""))
	for name, c := range map[string]struct {
		model  *Model
		stages []string
	}{
		"tiles":  {detecting(t), []string{"load", "detector", "tile", "network", "keypoints", "match", "enlarge"}},
		"resize": {openFile(t, resized.Path()), []string{"network", "enlarge"}},
	} {
		p := grain(200, 160)
		for _, stage := range c.stages {
			before := runtime.NumGoroutine()
			restore := parallel.Inject(func(at string) {
				if at == stage {
					panic("fault in " + stage)
				}
			})
			_, err := c.model.Localize(t.Context(), p)
			restore()
			if err == nil || !strings.Contains(err.Error(), "fault in "+stage) || parallel.Stack(err) == nil {
				t.Errorf("%s: a panic in stage %s gave error %v", name, stage, err)
			}
			settled(t, before)
			if _, err := c.model.Localize(t.Context(), p); err != nil {
				t.Fatalf("%s: after a panic in stage %s: %v", name, stage, err)
			}
		}
	}
}

// When the caller's context ends, in whichever stage, so does the work.
func TestStopsWithItsContext(t *testing.T) {
	m, p := detecting(t), grain(800, 600)
	for _, stage := range []string{"detector", "tile", "network", "keypoints", "match", "enlarge"} {
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithCancel(t.Context())
		restore := parallel.Inject(func(at string) {
			if at == stage {
				cancel()
			}
		})
		_, err := m.Localize(ctx, p)
		restore()
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("stage %s: got error %v, expected %v", stage, err, context.Canceled)
		}
		settled(t, before)
	}
}
