package picture

import (
	"math"
	"slices"
)

// Map is a grid of probabilities of manipulation, [Height, Width], each in [0,1]. A cell covers
// Stride x Stride pixels of a picture; of a map at the picture's own size a cell is a pixel.
type Map struct {
	Prob          []float32
	Width, Height int
	// Stride is the side of a cell in pixels. 0 means 1, or that the map covers the picture however
	// large that is.
	Stride int
	// LeadX and LeadY are how many pixels the first cell begins left of and above the picture.
	LeadX, LeadY int
}

// CellSize is Stride, or 1 where that is 0.
func (m *Map) CellSize() int { return max(m.Stride, 1) }

// Clone returns a copy that shares no memory with m.
func (m *Map) Clone() Map {
	c := *m
	c.Prob = slices.Clone(m.Prob)
	return c
}

// ToGray gives the map in 8 bits: round(255 p). Values outside [0,1] are clipped, NaN becomes 0.
func (m *Map) ToGray() *Gray {
	g := NewGray(m.Width, m.Height)
	inBands(m.Height, 64, func(y0, y1 int) {
		from, to := y0*m.Width, y1*m.Width
		out := g.Pix[from:to]
		for i, p := range m.Prob[from:to] {
			out[i] = level(p)
		}
	})
	return g
}

func level(p float32) uint8 {
	switch {
	case p >= 1:
		return 255
	case p > 0:
		return uint8(p*255 + 0.5)
	}
	return 0 // and NaN
}

// Mask is 255 where the probability is greater than the threshold, 0 elsewhere.
func (m *Map) Mask(threshold float64) *Gray {
	g := NewGray(m.Width, m.Height)
	t := justAbove(threshold)
	inBands(m.Height, 64, func(y0, y1 int) {
		from, to := y0*m.Width, y1*m.Width
		out := g.Pix[from:to]
		for i, p := range m.Prob[from:to] {
			if p >= t {
				out[i] = 255
			}
		}
	})
	return g
}

// Mean is the mean probability, the picture's score; 0 for an empty map.
func (m *Map) Mean() float64 {
	if len(m.Prob) == 0 {
		return 0
	}
	sum := 0.0
	for _, p := range m.Prob {
		sum += float64(p)
	}
	return sum / float64(len(m.Prob))
}

// Fraction is the share of pixels, in [0,1], that Mask marks at the threshold.
func (m *Map) Fraction(threshold float64) float64 {
	if len(m.Prob) == 0 {
		return 0
	}
	t, n := justAbove(threshold), 0
	for _, p := range m.Prob {
		if p >= t {
			n++
		}
	}
	return float64(n) / float64(len(m.Prob))
}

// justAbove is the smallest float32 that is greater than the threshold: a float32
// reaches it if and only if it is greater than the threshold in float64.
func justAbove(threshold float64) float32 {
	t := float32(threshold)
	if float64(t) <= threshold {
		return math.Nextafter32(t, float32(math.Inf(1)))
	}
	return t
}
