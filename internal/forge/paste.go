package forge

import (
	"image"
	"math"

	"github.com/declip/declip/internal/picture"
)

// edge says how a pasted piece is blended with the picture.
type edge struct {
	kind    string  // "hard", "feather" or "poisson"
	feather float64 // width in pixels over which a feathered edge fades
}

// drawEdge draws an edge; poisson is the probability of that kind.
func (d dice) drawEdge(poisson float64) edge {
	switch d.weighted(0.3*(1-poisson), 0.7*(1-poisson), poisson) {
	case 0:
		return edge{kind: "hard"}
	case 1:
		return edge{kind: "feather", feather: d.uniform(0.5, 3)}
	default:
		return edge{kind: "poisson"}
	}
}

// describe records the edge for the manifest.
func (e edge) describe(p Params) {
	p["edge"] = e.kind
	if e.kind == "feather" {
		p["feather"] = round3(e.feather)
	}
}

// soften makes the piece's alpha 0 or 1, and blurs it for a feathered edge.
func (e edge) soften(c *cutout) {
	for i, a := range c.alpha {
		c.alpha[i] = 0
		if a >= 0.5 {
			c.alpha[i] = 1
		}
	}
	if e.kind == "feather" {
		blurPlane(c.alpha, c.w, c.h, 1, e.feather/2)
	}
}

// paste puts a piece on a picture with its upper left corner at the given point, clipped to the
// picture. It writes to out and adds to mask the pixels of which the piece is half or more.
func (e edge) paste(out *picture.RGB, mask *picture.Gray, c *cutout, at image.Point) {
	r := image.Rect(0, 0, c.w, c.h).Add(at).Intersect(out.Bounds())
	if e.kind == "poisson" {
		e.heal(out, c, at, r)
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			i := (y-at.Y)*c.w + x - at.X
			a := c.alpha[i]
			if a <= 0 {
				continue
			}
			to := out.Pix[(y*out.Width+x)*3:][:3]
			for k := range to {
				v := float32(to[k])
				to[k] = toByte(v + a*(c.rgb[i*3+k]-v))
			}
			if a >= 0.5 {
				mask.Pix[y*out.Width+x] = 255
			}
		}
	}
}

// heal shifts the piece's colours so that they match the picture's along the piece's outline: the
// difference there is continued into the piece by Laplace's equation (Perez, Gangnet and Blake,
// "Poisson Image Editing", 2003).
func (e edge) heal(out *picture.RGB, c *cutout, at image.Point, r image.Rectangle) {
	w, h := r.Dx(), r.Dy()
	if w <= 0 || h <= 0 {
		return
	}
	diff, open := make([]float32, w*h*3), make([]bool, w*h)
	piece := func(x, y int) int { return (y+r.Min.Y-at.Y)*c.w + x + r.Min.X - at.X }
	for y := range h {
		for x := range w {
			i, j := y*w+x, piece(x, y)
			open[i] = c.alpha[j] > 0
			host := out.Pix[((y+r.Min.Y)*out.Width+x+r.Min.X)*3:]
			for k := range 3 {
				diff[i*3+k] = float32(host[k]) - c.rgb[j*3+k]
			}
		}
	}
	solveLaplace(diff, w, h, 3, open)
	for y := range h {
		for x := range w {
			i, j := y*w+x, piece(x, y)
			if !open[i] {
				continue
			}
			for k := range 3 {
				c.rgb[j*3+k] += diff[i*3+k]
			}
		}
	}
}

// toByte rounds and clamps to [0, 255].
func toByte(v float32) uint8 {
	switch {
	case v <= 0:
		return 0
	case v >= 255:
		return 255
	}
	return uint8(v + 0.5)
}

// blurPlane convolves h*w pixels of the given channels with a Gaussian of standard deviation sigma
// pixels, in place. Beyond the border it repeats the edge.
func blurPlane(v []float32, w, h, channels int, sigma float64) {
	if sigma < 0.05 {
		return
	}
	kernel := gaussian(sigma)
	r := len(kernel) / 2
	line := make([]float32, (max(w, h)+2*r)*channels)
	pass := func(start, stride, n int) {
		for i := -r; i < n+r; i++ {
			from := start + min(max(i, 0), n-1)*stride
			copy(line[(i+r)*channels:(i+r+1)*channels], v[from:from+channels])
		}
		for i := range n {
			for c := range channels {
				var s float32
				for k, weight := range kernel {
					s += weight * line[(i+k)*channels+c]
				}
				v[start+i*stride+c] = s
			}
		}
	}
	for y := range h {
		pass(y*w*channels, channels, w)
	}
	for x := range w {
		pass(x*channels, w*channels, h)
	}
}

// gaussian returns normalised weights up to three standard deviations.
func gaussian(sigma float64) []float32 {
	r := int(math.Ceil(3 * sigma))
	k := make([]float32, 2*r+1)
	var sum float32
	for i := range k {
		x := float64(i-r) / sigma
		k[i] = float32(math.Exp(-x * x / 2))
		sum += k[i]
	}
	for i := range k {
		k[i] /= sum
	}
	return k
}
