package picture

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

// ending is a context that ends when it was looked at a number of times.
type ending struct {
	context.Context
	looks atomic.Int64
	after int64
}

func (e *ending) Err() error {
	if e.looks.Add(1) > e.after {
		return context.Canceled
	}
	return nil
}

// stopsDrawing checks that work on a large picture ends with its context, and that it looks at it
// at least once for each megabyte of pixels, so that the end is noticed early in the work.
func stopsDrawing(t *testing.T, name string, bytes int, work func(ctx context.Context) error) {
	t.Helper()
	whole := &ending{Context: context.Background(), after: 1 << 40}
	if err := work(whole); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if looks, least := whole.looks.Load(), int64(bytes>>20); looks < least {
		t.Errorf("%s looks at its context %d times for %d bytes, expected at least %d", name, looks, bytes, least)
	}
	half := &ending{Context: context.Background(), after: whole.looks.Load() / 2}
	if err := work(half); !errors.Is(err, context.Canceled) {
		t.Errorf("%s: error %v after its context has ended", name, err)
	}
}

func TestDrawingStopsWithItsContext(t *testing.T) {
	const w, h = 2000, 1500
	rgb, m := NewRGB(w, h), &Map{Prob: make([]float32, w*h), Width: w, Height: h}
	for i := range m.Prob {
		rgb.Pix[3*i] = uint8(i * 7)
		if x, y := i%w, i/w; x > 300 && x < 900 && y > 200 && y < 800 {
			m.Prob[i] = 0.9
		}
	}
	stopsDrawing(t, "Overlay", 3*w*h, func(ctx context.Context) error {
		_, err := OverlayContext(ctx, rgb, m, 0.5)
		return err
	})
	stopsDrawing(t, "EncodePNG", 3*w*h, func(ctx context.Context) error {
		_, err := EncodePNGContext(ctx, rgb, Fast)
		return err
	})
}
