package forge

import (
	"image"
	"math"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// vary makes a random variant of an untouched photograph. The steps are in the order in which
// light, lens, camera and editor act.
func (d dice) vary(p *picture.RGB) *picture.RGB {
	p = d.reframe(p)
	if d.chance(0.15) {
		p = d.defocus(p)
	}
	if d.chance(0.55) {
		p = d.rescale(p)
	}
	w, h := p.Width, p.Height
	rgb := levels(p.Pix)
	switch d.weighted(0.2, 0.12, 0.68) {
	case 0:
		rgb = median3(rgb, w, h)
	case 1:
		blurPlane(rgb, w, h, 3, d.uniform(0.3, 1))
	}
	if d.chance(0.7) {
		d.retone(rgb)
	}
	if d.chance(0.4) {
		saturation := d.uniform(0.6, 1.6)
		if d.chance(0.1) {
			saturation = d.uniform(0, 0.6)
		}
		saturate(rgb, float32(saturation))
	}
	if d.chance(0.4) {
		sharpen(rgb, w, h, d.uniform(0.5, 2), float32(d.uniform(0.3, 1.6)), float32(d.between(0, 3)))
	}
	if d.chance(0.15) {
		d.addNoise(rgb, d.uniform(0.5, 4))
	}
	return rounded(rgb, w, h)
}

// reframe crops, mirrors and rotates.
func (d dice) reframe(p *picture.RGB) *picture.RGB {
	if d.chance(0.7) {
		s := d.uniform(0.6, 1)
		w := max(min(p.Width, minSide), int(s*float64(p.Width)))
		h := max(min(p.Height, minSide), int(s*float64(p.Height)))
		x, y := d.IntN(p.Width-w+1), d.IntN(p.Height-h+1)
		p = cropRGB(p, image.Rect(x, y, x+w, y+h))
	}
	if d.chance(0.5) {
		p = moved(p, p.Width, p.Height, func(x, y int) (int, int) { return p.Width - 1 - x, y })
	}
	if d.chance(0.15) {
		if d.chance(0.5) {
			return moved(p, p.Height, p.Width, func(x, y int) (int, int) { return p.Width - 1 - y, x })
		}
		return moved(p, p.Height, p.Width, func(x, y int) (int, int) { return y, p.Height - 1 - x })
	}
	return p
}

// moved is a picture of w x h pixels; from gives for each the position in p.
func moved(p *picture.RGB, w, h int, from func(x, y int) (int, int)) *picture.RGB {
	out := picture.NewRGB(w, h)
	for y := range h {
		for x := range w {
			sx, sy := from(x, y)
			copy(out.Pix[3*(y*w+x):][:3], p.Pix[3*(sy*p.Width+sx):])
		}
	}
	return out
}

// rescale makes the picture smaller, or sometimes larger. A shorter side of 300 pixels or more
// stays at least 300 pixels long.
func (d dice) rescale(p *picture.RGB) *picture.RGB {
	s := d.uniform(0.45, 1)
	if d.chance(0.15) {
		s = d.uniform(1, 1.4)
	}
	s = min(1.4, max(s, 300/float64(min(p.Width, p.Height))))
	return picture.Resize(p, scaled(p.Width, s), scaled(p.Height, s))
}

// defocusSteps is the number of blurred pictures that defocus interpolates between.
const defocusSteps = 4

// defocus blurs with the distance from a line or a point that is in focus, as a lens does.
func (d dice) defocus(p *picture.RGB) *picture.RGB {
	w, h := p.Width, p.Height
	away := d.distance()
	reach, slope, sigma := d.uniform(0.05, 0.25), d.uniform(1.5, 5), d.uniform(0.8, 4)
	sharp, out := levels(p.Pix), make([]float32, len(p.Pix))
	for i := range defocusSteps {
		soft := levels(p.Pix)
		blurPlane(soft, w, h, 3, sigma*float64(i+1)/defocusSteps)
		for k := range w * h {
			far := away(float64(k%w)/float64(w)-0.5, float64(k/w)/float64(h)-0.5)
			at := defocusSteps * min(max((far-reach)*slope, 0), 1)
			if min(int(at), defocusSteps-1) != i {
				continue
			}
			f := float32(at) - float32(i)
			for c := 3 * k; c < 3*k+3; c++ {
				out[c] = sharp[c]*(1-f) + soft[c]*f
			}
		}
		sharp = soft
	}
	return rounded(out, w, h)
}

// distance draws a line or a point that is in focus. The returned function gives the distance from
// it in sides of the picture, whose centre is (0, 0).
func (d dice) distance() func(x, y float64) float64 {
	if d.chance(0.5) {
		sin, cos := math.Sincos(d.uniform(0, 2*math.Pi))
		at := d.uniform(-0.2, 0.2)
		return func(x, y float64) float64 { return math.Abs(x*cos + y*sin + at) }
	}
	cx, cy := d.uniform(-0.3, 0.3), d.uniform(-0.3, 0.3)
	return func(x, y float64) float64 { return math.Hypot(x-cx, y-cy) }
}

// retone changes exposure, contrast and white balance.
func (d dice) retone(rgb []float32) {
	gamma, contrast := d.uniform(0.65, 1.5), d.uniform(0.75, 1.3)
	var table [3][256]float32
	mean := 0.0
	for _, v := range rgb {
		mean += math.Pow(float64(clampLevel(v))/255, gamma)
	}
	mean /= float64(len(rgb))
	bent := d.chance(0.3)
	for c := range table {
		balance := d.uniform(0.9, 1.1)
		for i := range table[c] {
			v := ((math.Pow(float64(i)/255, gamma)-mean)*contrast + mean) * balance
			if bent { // an S-shaped curve, common in editors
				v = min(max(v, 0), 1)
				v = 0.6*v*v*(3-2*v) + 0.4*v
			}
			table[c][i] = float32(255 * v)
		}
	}
	for i, v := range rgb {
		rgb[i] = between(table[i%3][:], clampLevel(v))
	}
}

// between interpolates in a table of 256 values at a level in [0, 255].
func between(table []float32, v float32) float32 {
	i := min(int(v), 254)
	f := v - float32(i)
	return table[i]*(1-f) + table[i+1]*f
}

// saturate moves colours away from grey by a factor; below 1 towards it.
func saturate(rgb []float32, factor float32) {
	for i := 0; i+2 < len(rgb); i += 3 {
		y, _, _ := toYCC(rgb[i], rgb[i+1], rgb[i+2])
		for c := range 3 {
			rgb[i+c] = y + (rgb[i+c]-y)*factor
		}
	}
}

// sharpen adds amount times the difference from a Gaussian blur of sigma pixels, where the
// difference is at least the given number of levels.
func sharpen(rgb []float32, w, h int, sigma float64, amount, least float32) {
	soft := slices.Clone(rgb)
	blurPlane(soft, w, h, 3, sigma)
	for i, v := range rgb {
		if fine := v - soft[i]; absf(fine) >= least {
			rgb[i] = v + amount*fine
		}
	}
}

// median3 is the median of 3 x 3 pixels in each channel. Beyond the border it repeats the edge.
func median3(rgb []float32, w, h int) []float32 {
	out := make([]float32, len(rgb))
	var near [9]float32
	for y := range h {
		for x := range w {
			for c := range 3 {
				for k := range near {
					sx, sy := min(max(x+k%3-1, 0), w-1), min(max(y+k/3-1, 0), h-1)
					near[k] = rgb[3*(sy*w+sx)+c]
				}
				slices.Sort(near[:])
				out[3*(y*w+x)+c] = near[4]
			}
		}
	}
	return out
}

// levels are a picture's values as floating-point numbers, [h, w, 3] in [0, 255].
func levels(pix []uint8) []float32 {
	rgb := make([]float32, len(pix))
	for i, v := range pix {
		rgb[i] = float32(v)
	}
	return rgb
}

// rounded is the inverse of levels.
func rounded(rgb []float32, w, h int) *picture.RGB {
	out := picture.NewRGB(w, h)
	for i, v := range rgb {
		out.Pix[i] = toByte(v)
	}
	return out
}
