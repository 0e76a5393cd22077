package forge

import (
	"math"
	"slices"

	"github.com/declip/declip/internal/picture"
)

type point struct{ x, y float64 }

// drawMask draws a mask that covers about the wanted share of guide, and names its shapes. Shapes
// of the kind region follow the borders of the guide's objects.
func (d dice) drawMask(guide *picture.RGB, wanted float64) (*picture.Gray, []string, error) {
	w, h := guide.Width, guide.Height
	least := max(MinShare, 0.4*wanted)
	if wanted < MinShare { // a small manipulation is asked for
		least = 0.4 * wanted
	}
	for range 8 {
		parts := 1 + d.weighted(0.72, 0.18, 0.10)
		m := picture.NewGray(w, h)
		var kinds []string
		for range parts {
			kinds = append(kinds, d.addShape(m, guide, wanted*float64(w*h)/float64(parts)))
		}
		got := share(m)
		if got >= least && got <= min(MaxShare, 1.8*wanted) {
			return m, kinds, nil
		}
	}
	return nil, nil, errUnsuitable
}

// addShape adds one shape of about area pixels to m and returns its kind.
func (d dice) addShape(m *picture.Gray, guide *picture.RGB, area float64) string {
	center := point{d.uniform(0.05, 0.95) * float64(m.Width), d.uniform(0.05, 0.95) * float64(m.Height)}
	switch d.weighted(0.20, 0.10, 0.10, 0.12, 0.12, 0.36) {
	case 0:
		d.addOutline(m, d.blob(), center, area)
		return "blob"
	case 1:
		d.addOutline(m, d.polygon(), center, area)
		return "polygon"
	case 2:
		d.addOutline(m, d.ellipse(), center, area)
		return "ellipse"
	case 3:
		d.addOutline(m, d.rectangle(), center, area)
		return "rectangle"
	case 4:
		d.addStrokes(m, center, area)
		return "strokes"
	default:
		d.addRegion(m, guide, center, area)
		return "region"
	}
}

// addOutline scales an outline to the area, moves it to center and fills it. Most outlines that
// cross the border are moved inwards.
func (d dice) addOutline(m *picture.Gray, outline []point, center point, area float64) {
	scale := math.Sqrt(area / math.Max(outlineArea(outline), 1e-6))
	lo, hi := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, p := range outline {
		lo.x, lo.y = math.Min(lo.x, p.x*scale), math.Min(lo.y, p.y*scale)
		hi.x, hi.y = math.Max(hi.x, p.x*scale), math.Max(hi.y, p.y*scale)
	}
	if d.chance(0.8) { // most shapes are wholly inside
		center.x = inwards(center.x, lo.x, hi.x, float64(m.Width))
		center.y = inwards(center.y, lo.y, hi.y, float64(m.Height))
	}
	placed := make([]point, len(outline))
	for i, p := range outline {
		placed[i] = point{center.x + p.x*scale, center.y + p.y*scale}
	}
	fillPolygon(m, placed)
}

// inwards moves c so that [c+lo, c+hi] is within [0,size] if possible.
func inwards(c, lo, hi, size float64) float64 {
	if hi-lo >= size {
		return (size - lo - hi) / 2
	}
	return math.Min(math.Max(c, -lo), size-hi)
}

// outlineArea is the area of a polygon.
func outlineArea(p []point) float64 {
	sum := 0.0
	for i := range p {
		j := (i + 1) % len(p)
		sum += p[i].x*p[j].y - p[j].x*p[i].y
	}
	return math.Abs(sum) / 2
}

// stretch squeezes an outline along one axis and rotates it.
func (d dice) stretch(p []point, most float64) []point {
	k := d.logUniform(1/most, most)
	sin, cos := math.Sincos(d.uniform(0, 2*math.Pi))
	for i, q := range p {
		x, y := q.x*k, q.y/k
		p[i] = point{cos*x - sin*y, sin*x + cos*y}
	}
	return p
}

// blob is a smooth closed curve: a circle whose radius is a short Fourier series.
func (d dice) blob() []point {
	var amplitude, phase [6]float64
	for k := 1; k < len(amplitude); k++ {
		amplitude[k] = d.uniform(0, 0.42) / float64(k)
		phase[k] = d.uniform(0, 2*math.Pi)
	}
	p := make([]point, 72)
	for i := range p {
		a := 2 * math.Pi * float64(i) / float64(len(p))
		r := 1.0
		for k := 1; k < len(amplitude); k++ {
			r += amplitude[k] * math.Cos(float64(k)*a+phase[k])
		}
		r = math.Max(r, 0.1)
		p[i] = point{r * math.Cos(a), r * math.Sin(a)}
	}
	return d.stretch(p, 1.5)
}

// polygon is a star-shaped polygon with corners.
func (d dice) polygon() []point {
	angles := make([]float64, d.between(3, 14))
	for i := range angles {
		angles[i] = 2 * math.Pi * (float64(i) + d.uniform(-0.4, 0.4)) / float64(len(angles))
	}
	slices.Sort(angles)
	least := d.uniform(0.35, 0.9)
	p := make([]point, len(angles))
	for i, a := range angles {
		r := d.uniform(least, 1)
		p[i] = point{r * math.Cos(a), r * math.Sin(a)}
	}
	return d.stretch(p, 1.5)
}

// ellipse is a stretched circle.
func (d dice) ellipse() []point {
	p := make([]point, 96)
	for i := range p {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(len(p)))
		p[i] = point{cos, sin}
	}
	return d.stretch(p, 1.7)
}

// rectangle is upright in half of the draws and has round corners in some.
func (d dice) rectangle() []point {
	k := d.logUniform(0.5, 2)
	p := []point{{-k, -1 / k}, {k, -1 / k}, {k, 1 / k}, {-k, 1 / k}}
	if d.chance(0.3) {
		p = roundCorners(p, d.uniform(0.1, 0.5)*math.Min(k, 1/k))
	}
	if d.chance(0.5) {
		sin, cos := math.Sincos(d.uniform(0, 2*math.Pi))
		for i, q := range p {
			p[i] = point{cos*q.x - sin*q.y, sin*q.x + cos*q.y}
		}
	}
	return p
}

// roundCorners replaces each corner of an upright rectangle by a quarter circle.
func roundCorners(corners []point, radius float64) []point {
	var p []point
	for i, c := range corners {
		middle := point{c.x - math.Copysign(radius, c.x), c.y - math.Copysign(radius, c.y)}
		for k := range 7 {
			sin, cos := math.Sincos(math.Pi + math.Pi/2*(float64(i)+float64(k)/6))
			p = append(p, point{middle.x + radius*cos, middle.y + radius*sin})
		}
	}
	return p
}

// addStrokes paints brush strokes whose direction wanders.
func (d dice) addStrokes(m *picture.Gray, start point, area float64) {
	w, h := float64(m.Width), float64(m.Height)
	strokes := d.between(1, 4)
	for range strokes {
		// length = ratio * width, area = length * width
		width := math.Max(math.Sqrt(area/float64(strokes)/d.logUniform(2.5, 25)), 3)
		length := area / float64(strokes) / width
		p, heading, bend := start, d.uniform(0, 2*math.Pi), 0.0
		step := math.Max(width/5, 1)
		for done := 0.0; done <= length; done += step {
			fillDisc(m, p, width/2)
			bend = 0.9*bend + d.NormFloat64()*0.05
			heading += bend * step / math.Max(width/5, 3)
			sin, cos := math.Sincos(heading)
			if x := p.x + cos*step; x < 0 || x >= w {
				heading = math.Pi - heading
			} else if y := p.y + sin*step; y < 0 || y >= h {
				heading = -heading
			} else {
				p = point{x, y}
			}
		}
		start = point{
			math.Min(math.Max(start.x+d.NormFloat64()*3*width, 0), w-1),
			math.Min(math.Max(start.y+d.NormFloat64()*3*width, 0), h-1),
		}
	}
}

// fillDisc sets the pixels whose centres are in a disc.
func fillDisc(m *picture.Gray, c point, r float64) {
	for y := max(0, int(c.y-r)); y <= min(m.Height-1, int(c.y+r)); y++ {
		dy := float64(y) + 0.5 - c.y
		half := r*r - dy*dy
		if half < 0 {
			continue
		}
		half = math.Sqrt(half)
		fillSpan(m, y, c.x-half, c.x+half)
	}
}

// fillSpan sets the pixels of row y whose centres are in [x0,x1).
func fillSpan(m *picture.Gray, y int, x0, x1 float64) {
	from, to := max(0, int(math.Ceil(x0-0.5))), min(m.Width, int(math.Ceil(x1-0.5)))
	if from < to {
		row := m.Pix[y*m.Width+from : y*m.Width+to]
		for i := range row {
			row[i] = 255
		}
	}
}

// fillPolygon sets the pixels whose centres are inside (even-odd rule).
func fillPolygon(m *picture.Gray, p []point) {
	var xs []float64
	for y := range m.Height {
		cy := float64(y) + 0.5
		xs = xs[:0]
		for i := range p {
			a, b := p[i], p[(i+1)%len(p)]
			if (a.y <= cy) != (b.y <= cy) {
				xs = append(xs, a.x+(cy-a.y)/(b.y-a.y)*(b.x-a.x))
			}
		}
		slices.Sort(xs)
		for i := 0; i+1 < len(xs); i += 2 {
			fillSpan(m, y, xs[i], xs[i+1])
		}
	}
}
