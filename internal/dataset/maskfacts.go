package dataset

import "github.com/declip/declip/internal/picture"

// MaskFacts describes a mask as it is read, before an inversion. Shares are in [0,1].
type MaskFacts struct {
	White   float64 // share of the pixels over 127
	Border  float64 // the same along the picture's border
	Soft    float64 // share of the pixels that are neither 0 nor 255
	Highest uint8
}

// Marked is the share of the pixels that count as manipulated.
func (m *MaskFacts) Marked(inverted bool) float64 {
	if inverted {
		return 1 - m.White
	}
	return m.White
}

// Polarity is the colour that probably marks: a manipulated region is mostly the smaller part of a
// picture and seldom touches most of its border. It is "" if the two disagree.
func (m *MaskFacts) Polarity() Polarity {
	switch {
	case m.White < 0.5 && m.Border < 0.5:
		return White
	case m.White > 0.5 && m.Border > 0.5:
		return Black
	}
	return ""
}

// MeasureMask counts the pixels of a mask.
func MeasureMask(g *picture.Gray) *MaskFacts {
	m := &MaskFacts{}
	white, border, onBorder, soft := 0, 0, 0, 0
	for i, v := range g.Pix {
		x, y := i%g.Width, i/g.Width
		over := 0
		if v > 127 {
			over = 1
		}
		white += over
		if x == 0 || y == 0 || x == g.Width-1 || y == g.Height-1 {
			border++
			onBorder += over
		}
		if v != 0 && v != 255 {
			soft++
		}
		m.Highest = max(m.Highest, v)
	}
	n := float64(len(g.Pix))
	m.White, m.Border, m.Soft = float64(white)/n, float64(onBorder)/float64(border), float64(soft)/n
	return m
}
