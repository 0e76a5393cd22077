package picture

import (
	"context"
	"math"
)

// Overlay paints a map over its picture as a heat map: untouched areas show the
// picture as it is, colour sets in with the probability, from violet through
// red and orange to yellow; lightness rises all the way, so the order
// shows in grey, too. A white line with a dark rim, about 2 pixels wide on a
// 1-megapixel picture and wider on larger ones, goes round what Mask marks at
// the threshold. A map of another size is scaled to the picture's.
func Overlay(rgb *RGB, m *Map, threshold float64) *RGB {
	out, _ := OverlayContext(context.Background(), rgb, m, threshold) // this context does not end
	return out
}

// OverlayContext is Overlay, but stops with the error of ctx soon after ctx has ended: it looks at
// ctx before every row.
func OverlayContext(ctx context.Context, rgb *RGB, m *Map, threshold float64) (*RGB, error) {
	if m.Width != rgb.Width || m.Height != rgb.Height {
		prob, err := ResizeFloatContext(ctx, m.Prob, m.Width, m.Height, rgb.Width, rgb.Height)
		if err != nil {
			return nil, err
		}
		m = &Map{Prob: prob, Width: rgb.Width, Height: rgb.Height}
	}
	out := NewRGB(rgb.Width, rgb.Height)
	inBands(rgb.Height, 64, func(y0, y1 int) {
		for y := y0; y < y1 && ctx.Err() == nil; y++ {
			copy(out.Pix[3*y*rgb.Width:][:3*rgb.Width], rgb.Pix[3*y*rgb.Width:])
			for i := y * rgb.Width; i < (y+1)*rgb.Width; i++ {
				h := &heat[level(m.Prob[i])]
				if h.keep == 256 { // no colour, as in most of most maps
					continue
				}
				src, dst := rgb.Pix[3*i:3*i+3:3*i+3], out.Pix[3*i:3*i+3:3*i+3]
				dst[0] = uint8((uint32(src[0])*h.keep + h.r) >> 8)
				dst[1] = uint8((uint32(src[1])*h.keep + h.g) >> 8)
				dst[2] = uint8((uint32(src[2])*h.keep + h.b) >> 8)
			}
		}
	})
	outline(ctx, out, m, justAbove(threshold))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, nil
}

// heatEntry is a colour multiplied by its opacity (at 8 bits, with the half for
// rounding) and what is kept of the picture, 0 to 256.
type heatEntry struct{ r, g, b, keep uint32 }

// heatStops are the colours of the heat map at equal steps of probability,
// chosen so that CIE lightness rises evenly (25 to 91).
var heatStops = [][3]float64{
	{64, 40, 130}, {112, 38, 142}, {166, 42, 130}, {212, 60, 96}, {240, 96, 52}, {250, 146, 22}, {253, 190, 36}, {255, 228, 74},
}

var heat = func() (table [256]heatEntry) {
	for i := range table {
		p := float64(i) / 255
		at := p * float64(len(heatStops)-1)
		k := min(int(at), len(heatStops)-2)
		mix := func(c int) float64 {
			return heatStops[k][c] + (at-float64(k))*(heatStops[k+1][c]-heatStops[k][c])
		}
		alpha := 256 * heatOpacity(p)
		table[i] = heatEntry{
			r: uint32(alpha*mix(0) + 128), g: uint32(alpha*mix(1) + 128), b: uint32(alpha*mix(2) + 128),
			keep: 256 - uint32(math.Round(alpha)),
		}
	}
	return table
}()

// heatOpacity is 0 up to a probability of 0.06, so that a map's floor does not
// tint the picture, and rises smoothly to 0.68: content stays visible.
func heatOpacity(p float64) float64 {
	t := min(max((p-0.06)/0.74, 0), 1)
	return 0.68 * t * t * (3 - 2*t)
}

// outline draws the border of the mask: where the map, taken as linear between
// pixels, crosses the threshold.
func outline(ctx context.Context, p *RGB, m *Map, t float32) {
	w, h := p.Width, p.Height
	white := max(1.2, 0.4+float64(min(w, h))/1100)
	dark := white + max(1.1, float64(min(w, h))/1200)
	stamps := newStamps(dark)
	inBands(h, 64, func(y0, y1 int) {
		// Each band keeps how far its pixels are from the nearest crossing.
		far := make([]uint8, (y1-y0)*w)
		for i := range far {
			far[i] = outOfReach
		}
		for y := max(y0-stamps.radius, 0); y < min(y1+stamps.radius, h) && ctx.Err() == nil; y++ {
			row := m.Prob[y*w:][:w]
			for x, v := range row {
				if x+1 < w && (v >= t) != (row[x+1] >= t) {
					stamps.right[crossing(v, row[x+1], t)].press(far, w, y0, y1, x, y)
				}
				if y+1 < h {
					if below := m.Prob[(y+1)*w+x]; (v >= t) != (below >= t) {
						stamps.down[crossing(v, below, t)].press(far, w, y0, y1, x, y)
					}
				}
			}
		}
		for y := y0; y < y1 && ctx.Err() == nil; y++ {
			for x, d := range far[(y-y0)*w:][:w] {
				if d != outOfReach {
					paintLine(p.Pix[3*(y*w+x):][:3], float64(d)/perPixel, white, dark)
				}
			}
		}
	})
}

// paintLine blends a pixel at the given distance from the middle of the line:
// white within the first radius, dark to the second, softened over a pixel.
func paintLine(px []uint8, d, white, dark float64) {
	cover := func(r float64) float64 { return min(max(r+0.5-d, 0), 1) }
	inner, outer := cover(white), 0.65*cover(dark)
	for i, v := range px {
		c := float64(v) * (1 - outer)
		c += (255 - c) * inner
		px[i] = uint8(c + 0.5)
	}
}

const (
	outOfReach = 255
	perPixel   = 8 // steps of a pixel in which distances and crossings are kept
)

// crossing is the eighth of the way from a to b at which the threshold is crossed.
func crossing(a, b, t float32) int {
	f := (t - a) / (b - a)
	if !(f > 0) { // also NaN
		return 0
	}
	return min(int(f*perPixel+0.5), perPixel)
}

// stamp is a disc of distances, in eighths of a pixel, from a point that is a
// bit to the right of or below its middle.
type stamp struct {
	radius int
	dist   []uint8 // (2 radius + 1) squared
}

type stamps struct {
	radius      int
	right, down [perPixel + 1]stamp
}

func newStamps(reach float64) *stamps {
	reach = min(reach+0.5, float64(outOfReach-1)/perPixel-0.5)
	s := &stamps{radius: int(math.Ceil(reach)) + 1}
	for i := range s.right {
		shift := float64(i) / perPixel
		s.right[i], s.down[i] = newStamp(s.radius, reach, shift, 0), newStamp(s.radius, reach, 0, shift)
	}
	return s
}

func newStamp(radius int, reach, dx, dy float64) stamp {
	n := 2*radius + 1
	s := stamp{radius: radius, dist: make([]uint8, n*n)}
	for i := range s.dist {
		d := math.Hypot(float64(i%n-radius)-dx, float64(i/n-radius)-dy)
		s.dist[i] = outOfReach
		if d <= reach {
			s.dist[i] = uint8(perPixel*d + 0.5)
		}
	}
	return s
}

// press lowers the distances around (x, y) in rows [y0, y1).
func (s *stamp) press(far []uint8, w, y0, y1, x, y int) {
	n := 2*s.radius + 1
	for yy := max(y-s.radius, y0); yy <= min(y+s.radius, y1-1); yy++ {
		row := s.dist[(yy-y+s.radius)*n:][:n]
		left, right := max(x-s.radius, 0), min(x+s.radius, w-1)
		dst := far[(yy-y0)*w+left : (yy-y0)*w+right+1]
		row = row[left-x+s.radius:][:len(dst)]
		for i, d := range row {
			dst[i] = min(dst[i], d)
		}
	}
}
