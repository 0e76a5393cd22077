package picture

import (
	"context"
	"errors"
	"image"
	"image/color/palette"
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

// stopsDrawing checks that work on pixels of a large picture ends with its context, and that it
// looks at it at least once for each megabyte of pixels, so that the end is noticed early in the
// work.
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

// Drawing, scaling and converting stop with their context.
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
	small := &Map{Prob: m.Prob[:w*h/16], Width: w / 4, Height: h / 4, Stride: 4}
	transparent := &Picture{RGB: rgb, alpha: make([]uint8, w*h)}
	for name, work := range map[string]func(ctx context.Context) error{
		"Upsample": func(ctx context.Context) error { _, err := small.UpsampleContext(ctx, w, h); return err },
		"FitFloat": func(ctx context.Context) error {
			_, err := FitFloatContext(ctx, small.Prob, w/4, h/4, w, h)
			return err
		},
		"FitFloat down": func(ctx context.Context) error { _, err := FitFloatContext(ctx, m.Prob, w, h, w/2, h/2); return err },
		"ResizeCorners": func(ctx context.Context) error { _, err := ResizeCorners(ctx, small.Prob, w/4, h/4, w, h); return err },
		"Resize":        func(ctx context.Context) error { _, err := ResizeContext(ctx, rgb, 256, 256); return err },
		"ResizeCubic":   func(ctx context.Context) error { _, err := ResizeCubic(ctx, rgb, 256, 256); return err },
		"ThroughJPEG":   func(ctx context.Context) error { _, _, err := rgb.ThroughJPEG(ctx); return err },
		"OverWhite":     func(ctx context.Context) error { _, err := transparent.OverWhite(ctx); return err },
		"NRGBA": func(ctx context.Context) error {
			_, err := FromImageContext(ctx, image.NewNRGBA(image.Rect(0, 0, w, h)))
			return err
		},
		"NRGBA64": func(ctx context.Context) error {
			_, err := FromImageContext(ctx, image.NewNRGBA64(image.Rect(0, 0, w, h)))
			return err
		},
		"CMYK": func(ctx context.Context) error {
			_, err := FromImageContext(ctx, image.NewCMYK(image.Rect(0, 0, w, h)))
			return err
		},
		"Paletted": func(ctx context.Context) error {
			_, err := FromImageContext(ctx, image.NewPaletted(image.Rect(0, 0, w, h), palette.WebSafe))
			return err
		},
		"YCbCr": func(ctx context.Context) error {
			_, err := FromImageContext(ctx, image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420))
			return err
		},
	} {
		stopsDrawing(t, name, 3*w*h, work)
	}
	stopsDrawing(t, "EncodePNG", 3*w*h, func(ctx context.Context) error {
		_, err := EncodePNGContext(ctx, rgb, Fast)
		return err
	})
}
