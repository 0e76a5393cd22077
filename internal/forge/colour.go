package forge

import (
	"image"
	"math"

	"github.com/declip/declip/internal/picture"
)

// toYCC converts to YCbCr (ITU-R 601), which separates brightness from hue.
func toYCC(r, g, b float32) (y, cb, cr float32) {
	y = 0.299*r + 0.587*g + 0.114*b
	return y, 0.564 * (b - y), 0.713 * (r - y)
}

// fromYCC is the inverse of toYCC.
func fromYCC(y, cb, cr float32) (r, g, b float32) {
	r, b = y+cr/0.713, y+cb/0.564
	return r, (y - 0.299*r - 0.114*b) / 0.587, b
}

// tone is the mean and standard deviation of Y, Cb and Cr, in levels.
type tone struct{ mean, std [3]float64 }

// toneOf measures the pixels whose weight is at least a half.
func toneOf(rgb []float32, weight []float32) (t tone) {
	var n float64
	var sum, square [3]float64
	for i, a := range weight {
		if a < 0.5 {
			continue
		}
		n++
		y, cb, cr := toYCC(rgb[i*3], rgb[i*3+1], rgb[i*3+2])
		for k, v := range [3]float64{float64(y), float64(cb), float64(cr)} {
			sum[k] += v
			square[k] += v * v
		}
	}
	if n == 0 {
		return t
	}
	for k := range t.mean {
		t.mean[k] = sum[k] / n
		t.std[k] = math.Sqrt(max(0, square[k]/n-t.mean[k]*t.mean[k]))
	}
	return t
}

// toneAt measures a rectangle of a picture.
func toneAt(p *picture.RGB, r image.Rectangle) tone {
	r = r.Intersect(p.Bounds())
	rgb, weight := make([]float32, r.Dx()*r.Dy()*3), make([]float32, r.Dx()*r.Dy())
	for y := range r.Dy() {
		from := p.Pix[((r.Min.Y+y)*p.Width+r.Min.X)*3:]
		for x := range r.Dx() * 3 {
			rgb[y*r.Dx()*3+x] = float32(from[x])
		}
	}
	for i := range weight {
		weight[i] = 1
	}
	return toneOf(rgb, weight)
}

// match moves the piece's tone towards another by strength in [0,1], after Reinhard et al., "Color
// Transfer between Images" (2001).
func (c *cutout) match(to tone, strength float64) {
	own := toneOf(c.rgb, c.alpha)
	var gain, shift [3]float32
	for k := range gain {
		g := 1.0
		if own.std[k] > 1 {
			g = min(max(to.std[k]/own.std[k], 0.6), 1.6)
		}
		g = 1 + strength*(g-1)
		gain[k] = float32(g)
		shift[k] = float32(own.mean[k]*(1-g) + strength*(to.mean[k]-own.mean[k]))
	}
	c.remap(func(y, cb, cr float32) (float32, float32, float32) {
		return y*gain[0] + shift[0], cb*gain[1] + shift[1], cr*gain[2] + shift[2]
	})
}

// remap applies f to all colours.
func (c *cutout) remap(f func(y, cb, cr float32) (float32, float32, float32)) {
	for i := 0; i < len(c.rgb); i += 3 {
		y, cb, cr := f(toYCC(c.rgb[i], c.rgb[i+1], c.rgb[i+2]))
		r, g, b := fromYCC(y, cb, cr)
		c.rgb[i], c.rgb[i+1], c.rgb[i+2] = clampLevel(r), clampLevel(g), clampLevel(b)
	}
}

func clampLevel(v float32) float32 { return min(max(v, 0), 255) }

// retouch edits a piece as a person would before or after pasting it: brightness, contrast,
// saturation, and sometimes blur, sharpening or noise.
func (d dice) retouch(c *cutout, params Params) {
	if d.chance(0.35) {
		light, contrast, colour := d.uniform(-28, 28), d.logUniform(0.75, 1.35), d.logUniform(0.6, 1.5)
		params["brightness"], params["contrast"], params["saturation"] = round3(light), round3(contrast), round3(colour)
		mean := float32(toneOf(c.rgb, c.alpha).mean[0])
		c.remap(func(y, cb, cr float32) (float32, float32, float32) {
			y = (y-mean)*float32(contrast) + mean + float32(light)
			return y, cb * float32(colour), cr * float32(colour)
		})
	}
	switch d.weighted(0.76, 0.1, 0.06, 0.08) {
	case 1:
		sigma := d.uniform(0.3, 1.2)
		params["blur"] = round3(sigma)
		blurPlane(c.rgb, c.w, c.h, 3, sigma)
	case 2:
		amount, sigma := d.uniform(0.3, 1.2), d.uniform(0.6, 1.6)
		params["sharpen"] = round3(amount)
		soft := append([]float32(nil), c.rgb...)
		blurPlane(soft, c.w, c.h, 3, sigma)
		for i, v := range soft {
			c.rgb[i] = clampLevel(c.rgb[i] + float32(amount)*(c.rgb[i]-v))
		}
	case 3:
		sigma := d.uniform(1, 6)
		params["noise"] = round3(sigma)
		d.addNoise(c.rgb, sigma)
	}
}

// addNoise adds Gaussian noise of sigma levels to interleaved colours. Half of its power is common
// to the three channels, as in a camera after demosaicing.
func (d dice) addNoise(rgb []float32, sigma float64) {
	part := sigma * math.Sqrt(0.5)
	for i := 0; i+2 < len(rgb); i += 3 {
		common := d.NormFloat64()
		for c := range 3 {
			rgb[i+c] += float32(part * (common + d.NormFloat64()))
		}
	}
}
