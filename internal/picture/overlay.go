package picture

import "math"

// Overlay paints a map over its picture as a heat map: untouched areas show the
// picture as it is, colour sets in with the probability, from violet through
// red and orange to pale yellow; lightness rises all the way, so the order
// shows in grey, too. A white line with a dark rim, about 2 pixels wide on a
// 1-megapixel picture and wider on larger ones, goes round what Mask marks at
// the threshold. The map must have the picture's size.
func Overlay(rgb *RGB, m *Map, threshold float64) *RGB {
	out := NewRGB(rgb.Width, rgb.Height)
	inBands(rgb.Height, 64, func(y0, y1 int) {
		for i := y0 * rgb.Width; i < y1*rgb.Width; i++ {
			h := &heat[level(m.Prob[i])]
			src, dst := rgb.Pix[3*i:3*i+3:3*i+3], out.Pix[3*i:3*i+3:3*i+3]
			dst[0] = uint8((uint32(src[0])*h.keep + h.r) >> 8)
			dst[1] = uint8((uint32(src[1])*h.keep + h.g) >> 8)
			dst[2] = uint8((uint32(src[2])*h.keep + h.b) >> 8)
		}
	})
	outline(out, m, atLeast(threshold))
	return out
}

// heatEntry is a colour multiplied by its opacity (at 8 bits, with the half for
// rounding) and what is kept of the picture, 0 to 256.
type heatEntry struct{ r, g, b, keep uint32 }

// heatStops are the colours of the heat map at equal steps of probability,
// chosen so that CIE lightness rises evenly (30 to 92).
var heatStops = [][3]float64{
	{64, 40, 130}, {112, 38, 142}, {166, 42, 130}, {212, 60, 96}, {240, 96, 52}, {250, 146, 22}, {252, 196, 48}, {255, 240, 140},
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
// tint the picture, and rises smoothly to 0.72: content stays visible.
func heatOpacity(p float64) float64 {
	t := min(max((p-0.06)/0.74, 0), 1)
	return 0.72 * t * t * (3 - 2*t)
}

// outline draws the border of the mask.
func outline(p *RGB, m *Map, t float32) {
	w, h := p.Width, p.Height
	white := max(1, 0.5+float64(min(w, h))/1600)
	dark := white + max(1, float64(min(w, h))/1400)
	s := newStamp(dark + 0.5)
	inside := func(x, y int) bool { return m.Prob[y*w+x] >= t }
	inBands(h, 64, func(y0, y1 int) {
		// Each band keeps, in quarter pixels, how far its pixels are from the
		// nearest border pixel.
		far := make([]uint8, (y1-y0)*w)
		for i := range far {
			far[i] = 255
		}
		for y := max(y0-s.radius, 0); y < min(y1+s.radius, h); y++ {
			for x := range w {
				if !inside(x, y) {
					continue
				}
				if x > 0 && !inside(x-1, y) || x+1 < w && !inside(x+1, y) ||
					y > 0 && !inside(x, y-1) || y+1 < h && !inside(x, y+1) {
					s.press(far, w, y0, y1, x, y)
				}
			}
		}
		for i, d := range far {
			if d != 255 {
				paintLine(p.Pix[3*(y0*w+i):][:3], float64(d)/4, white, dark)
			}
		}
	})
}

// paintLine blends a pixel at the given distance from the middle of the line:
// white within the first radius, dark to the second, softened over a pixel.
func paintLine(px []uint8, d, white, dark float64) {
	cover := func(r float64) float64 { return min(max(r+0.5-d, 0), 1) }
	inner, outer := cover(white-0.5), 0.65*cover(dark-0.5)
	for i, v := range px {
		c := float64(v) * (1 - outer)
		c += (255 - c) * inner
		px[i] = uint8(c + 0.5)
	}
}

// stamp is a disc of distances in quarter pixels.
type stamp struct {
	radius int
	dist   []uint8 // (2 radius + 1) squared
}

func newStamp(reach float64) stamp {
	s := stamp{radius: int(math.Ceil(reach))}
	n := 2*s.radius + 1
	s.dist = make([]uint8, n*n)
	for i := range s.dist {
		d := math.Hypot(float64(i%n-s.radius), float64(i/n-s.radius))
		s.dist[i] = 255
		if d <= reach {
			s.dist[i] = uint8(min(4*d+0.5, 254))
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
