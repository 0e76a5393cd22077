package picture

import (
	"context"
	"math"
)

// ResizeFloat scales a map of sh rows of sw values to dh rows of dw, as
// PyTorch's interpolate(mode="bilinear", align_corners=False) without
// antialiasing does. Sides must be positive.
func ResizeFloat(src []float32, sw, sh, dw, dh int) []float32 {
	// This context does not end.
	out, _ := ResizeFloatContext(context.Background(), src, sw, sh, dw, dh)
	return out
}

// ResizeFloatContext is ResizeFloat, but stops with the error of ctx soon after ctx has ended: it
// looks at ctx before every row.
func ResizeFloatContext(ctx context.Context, src []float32, sw, sh, dw, dh int) ([]float32, error) {
	return resizeFloat(ctx, src, sw, sh, dw, dh, linear)
}

// ResizeCorners is ResizeFloat with align_corners=True: samples are points, of which those in the
// corners keep their places. It looks at ctx before every row.
func ResizeCorners(ctx context.Context, src []float32, sw, sh, dw, dh int) ([]float32, error) {
	return resizeFloat(ctx, src, sw, sh, dw, dh, linearCorners)
}

func resizeFloat(ctx context.Context, src []float32, sw, sh, dw, dh int, taps func(in, out int) []tap) ([]float32, error) {
	if sw == dw && sh == dh {
		return append([]float32(nil), src...), nil
	}
	look := watching(ctx)
	xs, ys := taps(sw, dw), taps(sh, dh)
	out := make([]float32, dw*dh)
	inBands(dh, 16, func(y0, y1 int) {
		// Two source rows, widened, are kept: when enlarging, many output rows
		// lie between the same two.
		top, bottom := make([]float32, dw), make([]float32, dw)
		topRow, bottomRow := -1, -1
		for y := y0; y < y1 && !look.ended(); y++ {
			t := ys[y]
			if t.a == bottomRow {
				top, bottom, topRow, bottomRow = bottom, top, bottomRow, topRow
			}
			if t.a != topRow {
				widen(top, src[t.a*sw:][:sw], xs)
				topRow = t.a
			}
			if t.b != bottomRow {
				widen(bottom, src[t.b*sw:][:sw], xs)
				bottomRow = t.b
			}
			dst := out[y*dw:][:dw]
			for x := range dst {
				dst[x] = float32(t.wa*top[x]) + float32(t.wb*bottom[x])
			}
		}
	})
	return unlessEnded(look, out)
}

// tap is one output's two inputs and their weights.
type tap struct {
	a, b   int
	wa, wb float32
}

func linear(in, out int) []tap {
	scale := float64(float32(in) / float32(out))
	taps := make([]tap, out)
	for o := range taps {
		taps[o] = tapAt(max(scale*(float64(o)+0.5)-0.5, 0), in)
	}
	return taps
}

func linearCorners(in, out int) []tap {
	scale := 0.0
	if out > 1 {
		scale = float64(float32(in-1) / float32(out-1))
	}
	taps := make([]tap, out)
	for o := range taps {
		taps[o] = tapAt(scale*float64(o), in)
	}
	return taps
}

// tapAt is the tap of a place among in samples.
func tapAt(s float64, in int) tap {
	a := min(int(s), in-1)
	w := float32(s - float64(a))
	return tap{a: a, b: min(a+1, in-1), wa: 1 - w, wb: w}
}

func widen(dst, src []float32, xs []tap) {
	for x, t := range xs {
		dst[x] = float32(t.wa*src[t.a]) + float32(t.wb*src[t.b])
	}
}

// FitFloat brings a map to another size as torchvision's resize of a tensor does since it
// antialiases by default: where both sides grow it is ResizeFloat; else a triangle filter, which
// widens with the scale factor in the directions that shrink, along the rows and then along the
// columns. Sides must be positive.
func FitFloat(src []float32, sw, sh, dw, dh int) []float32 {
	out, _ := FitFloatContext(context.Background(), src, sw, sh, dw, dh) // this context does not end
	return out
}

// FitFloatContext is FitFloat, but stops with the error of ctx soon after ctx has ended: it looks
// at ctx before every row.
func FitFloatContext(ctx context.Context, src []float32, sw, sh, dw, dh int) ([]float32, error) {
	if dw >= sw && dh >= sh {
		return ResizeFloatContext(ctx, src, sw, sh, dw, dh)
	}
	look := watching(ctx)
	xs, ys := wideTaps(sw, dw), wideTaps(sh, dh)
	rows := make([]float32, dw*sh)
	inBands(sh, 16, func(y0, y1 int) {
		for y := y0; y < y1 && !look.ended(); y++ {
			in, out := src[y*sw:][:sw], rows[y*dw:][:dw]
			for x, t := range xs {
				sum := float32(0)
				for i, w := range t.weights {
					sum += w * in[t.first+i]
				}
				out[x] = sum
			}
		}
	})
	out := make([]float32, dw*dh)
	inBands(dh, 16, func(y0, y1 int) {
		for y := y0; y < y1 && !look.ended(); y++ {
			to := out[y*dw:][:dw]
			for i, w := range ys[y].weights {
				for x, v := range rows[(ys[y].first+i)*dw:][:dw] {
					to[x] += w * v
				}
			}
		}
	})
	return unlessEnded(look, out)
}

// wideTap is one output's inputs, from first on, and their weights, which sum to one.
type wideTap struct {
	first   int
	weights []float32
}

func wideTaps(in, out int) []wideTap {
	scale := float64(in) / float64(out)
	support := max(scale, 1)
	taps := make([]wideTap, out)
	for o := range taps {
		center := scale * (float64(o) + 0.5)
		from, to := max(int(center-support+0.5), 0), min(int(center+support+0.5), in)
		t := wideTap{first: from, weights: make([]float32, to-from)}
		sum := 0.0
		for i := range t.weights {
			sum += max(0, 1-math.Abs((float64(i+from)-center+0.5)/support))
		}
		for i := range t.weights {
			t.weights[i] = float32(max(0, 1-math.Abs((float64(i+from)-center+0.5)/support)) / sum)
		}
		taps[o] = t
	}
	return taps
}
