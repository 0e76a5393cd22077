package picture

import (
	"context"
	"math"
)

// Resize scales to width x height pixels, aspect ratio not kept, with the very
// samples of Pillow's Image.resize(size, BILINEAR): a triangle filter that
// widens with the scale factor when it shrinks, weights at 22-bit fixed point,
// first the rows, then the columns, each rounded to 8 bits. A direction that
// keeps its size is not filtered. width, height and the picture's own sides
// must be positive. The result may share memory with p only if nothing changes.
func Resize(p *RGB, width, height int) *RGB {
	out, _ := ResizeContext(context.Background(), p, width, height) // this context does not end
	return out
}

// ResizeContext is Resize, but stops with the error of ctx soon after ctx has ended: it looks at
// ctx before every row.
func ResizeContext(ctx context.Context, p *RGB, width, height int) (*RGB, error) {
	look := watching(ctx)
	pix := resample(look, p.Pix, p.Width, p.Height, width, height, 3, triangleKernel)
	return unlessEnded(look, &RGB{Pix: pix, Width: width, Height: height})
}

// ResizeCubic is ResizeContext with the samples of Pillow's Image.resize(size, BICUBIC).
func ResizeCubic(ctx context.Context, p *RGB, width, height int) (*RGB, error) {
	look := watching(ctx)
	pix := resample(look, p.Pix, p.Width, p.Height, width, height, 3, cubicKernel)
	return unlessEnded(look, &RGB{Pix: pix, Width: width, Height: height})
}

// ResizeGray is Resize for one channel.
func ResizeGray(g *Gray, width, height int) *Gray {
	pix := resample(watching(context.Background()), g.Pix, g.Width, g.Height, width, height, 1, triangleKernel)
	return &Gray{Pix: pix, Width: width, Height: height}
}

// kernel is the weight of a sample by its distance in samples, 0 from support on.
type kernel struct {
	support float64
	at      func(distance float64) float64
}

var (
	triangleKernel = kernel{1, func(d float64) float64 { return max(0, 1-math.Abs(d)) }}
	cubicKernel    = kernel{2, keys}
)

// keys is Keys' cubic kernel (1981) with a = -0.5.
func keys(d float64) float64 {
	const a = -0.5
	switch d = math.Abs(d); {
	case d < 1:
		return float64(float64((float64((a+2)*d)-(a+3))*d)*d) + 1
	case d < 2:
		return (float64((float64((d-5)*d)+8)*d) - 4) * a
	}
	return 0
}

// resample leaves rows out once the context has ended.
func resample(look *watch, pix []uint8, sw, sh, dw, dh, channels int, k kernel) []uint8 {
	if sw != dw {
		pix = resampleRows(look, pix, sw, sh, dw, channels, k)
	}
	if sh != dh {
		pix = resampleColumns(look, pix, sh, dh, dw*channels, k)
	}
	return pix
}

const weightBits = 22

// filter holds, for each output sample, where its first input is and the
// weights from there on, 1<<22 together.
type filter struct {
	first   []int
	weights [][]int32
}

// filter builds Pillow's coefficients. Each product is rounded to float64 by
// itself (the conversions keep the compiler from fusing it with a sum), or the
// last bit would differ on processors with fused multiply-add.
func (k kernel) filter(in, out int) filter {
	scale := float64(in) / float64(out)
	support := k.support * max(scale, 1)
	inverse := 1 / max(scale, 1)
	f := filter{first: make([]int, out), weights: make([][]int32, out)}
	raw := make([]float64, 2*int(math.Ceil(support))+1)
	store := make([]int32, 0, out*len(raw))
	for x := range out {
		center := float64((float64(x) + 0.5) * scale)
		from := max(int(center-support+0.5), 0)
		to := min(int(center+support+0.5), in)
		sum := 0.0
		for i := range raw[:to-from] {
			w := k.at(float64((float64(i+from) - center + 0.5) * inverse))
			raw[i] = w
			sum += w
		}
		start := len(store)
		for _, w := range raw[:to-from] {
			if sum != 0 {
				w /= sum
			}
			store = append(store, int32(math.Copysign(0.5, w)+float64(w*(1<<weightBits))))
		}
		f.first[x], f.weights[x] = from, store[start:len(store):len(store)]
	}
	return f
}

func resampleRows(look *watch, pix []uint8, sw, h, dw, channels int, k kernel) []uint8 {
	f := k.filter(sw, dw)
	out := make([]uint8, dw*h*channels)
	inBands(h, 16, func(y0, y1 int) {
		for y := y0; y < y1 && !look.ended(); y++ {
			src, dst := pix[y*sw*channels:][:sw*channels], out[y*dw*channels:][:dw*channels]
			if channels == 3 {
				f.row3(dst, src)
			} else {
				f.row1(dst, src)
			}
		}
	})
	return out
}

func (f *filter) row3(dst, src []uint8) {
	for x, ws := range f.weights {
		in := src[3*f.first[x]:][:3*len(ws)]
		r, g, b := int32(1<<(weightBits-1)), int32(1<<(weightBits-1)), int32(1<<(weightBits-1))
		for i, w := range ws {
			r += int32(in[3*i]) * w
			g += int32(in[3*i+1]) * w
			b += int32(in[3*i+2]) * w
		}
		dst[3*x], dst[3*x+1], dst[3*x+2] = clamp8(r>>weightBits), clamp8(g>>weightBits), clamp8(b>>weightBits)
	}
}

func (f *filter) row1(dst, src []uint8) {
	for x, ws := range f.weights {
		in := src[f.first[x]:][:len(ws)]
		v := int32(1 << (weightBits - 1))
		for i, w := range ws {
			v += int32(in[i]) * w
		}
		dst[x] = clamp8(v >> weightBits)
	}
}

// resampleColumns filters down the columns of rows of n bytes each.
func resampleColumns(look *watch, pix []uint8, sh, dh, n int, k kernel) []uint8 {
	f := k.filter(sh, dh)
	out := make([]uint8, dh*n)
	inBands(dh, 8, func(y0, y1 int) {
		sum := make([]int32, n)
		for y := y0; y < y1 && !look.ended(); y++ {
			for i := range sum {
				sum[i] = 1 << (weightBits - 1)
			}
			for i, w := range f.weights[y] {
				for j, v := range pix[(f.first[y]+i)*n:][:n] {
					sum[j] += int32(v) * w
				}
			}
			dst := out[y*n:][:n]
			for j, v := range sum {
				dst[j] = clamp8(v >> weightBits)
			}
		}
	})
	return out
}
