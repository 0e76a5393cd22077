package picture

// ResizeFloat scales a map of sh rows of sw values to dh rows of dw, as
// PyTorch's interpolate(mode="bilinear", align_corners=False) without
// antialiasing does. Sides must be positive.
func ResizeFloat(src []float32, sw, sh, dw, dh int) []float32 {
	if sw == dw && sh == dh {
		return append([]float32(nil), src...)
	}
	xs, ys := linear(sw, dw), linear(sh, dh)
	out := make([]float32, dw*dh)
	inBands(dh, 16, func(y0, y1 int) {
		// Two source rows, widened, are kept: when enlarging, many output rows
		// lie between the same two.
		top, bottom := make([]float32, dw), make([]float32, dw)
		topRow, bottomRow := -1, -1
		for y := y0; y < y1; y++ {
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
	return out
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
		s := max(scale*(float64(o)+0.5)-0.5, 0)
		a := min(int(s), in-1)
		w := float32(s - float64(a))
		taps[o] = tap{a: a, b: min(a+1, in-1), wa: 1 - w, wb: w}
	}
	return taps
}

func widen(dst, src []float32, xs []tap) {
	for x, t := range xs {
		dst[x] = float32(t.wa*src[t.a]) + float32(t.wb*src[t.b])
	}
}
