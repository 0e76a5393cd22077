package forge

import (
	"image"
	"math"

	"github.com/declip/declip/internal/picture"
)

func init() { register("inpaint-diffusion", inpaintDiffusion) }

// maxMarchWork bounds the pixel reads of a fast-marching fill.
const maxMarchWork = 4e6

// inpaintDiffusion removes a part of the picture and continues the colours
// around it into the hole: by fast marching (as Telea does, or along the lines
// of equal brightness as in the Navier-Stokes analogy) or by Laplace's equation.
func inpaintDiffusion(s *scene) (*change, error) {
	c, err := s.hole()
	if err != nil {
		return nil, err
	}
	r := around(bounds(c.mask), 12, c.mask.Width, c.mask.Height)
	part := cropRGB(s.host, r)
	mask := cropMask(c.mask, r)
	rgb := make([]float32, len(part.Pix))
	for i, v := range part.Pix {
		rgb[i] = float32(v)
	}
	open := make([]bool, len(mask.Pix))
	holes := 0
	for i, v := range mask.Pix {
		if open[i] = v != 0; open[i] {
			holes++
		}
	}
	solver := []string{"telea", "navier-stokes", "harmonic"}[s.weighted(0.36, 0.34, 0.3)]
	s.params["solver"] = solver
	if solver == "harmonic" {
		solveLaplace(rgb, part.Width, part.Height, 3, open)
	} else {
		radius := s.uniform(2.5, 7)
		radius = max(1.5, min(radius, math.Sqrt(maxMarchWork/math.Pi/float64(holes))))
		s.params["radius"] = round3(radius)
		newMarch(rgb, part.Width, part.Height, open, radius, solver == "telea").run()
	}
	if s.chance(0.45) {
		s.regrain(c, rgb, mask, r)
	}
	for i, o := range mask.Pix {
		if o == 0 {
			continue
		}
		at := ((r.Min.Y+i/part.Width)*s.host.Width + r.Min.X + i%part.Width) * 3
		for k := range 3 {
			c.out.Pix[at+k] = toByte(rgb[i*3+k])
		}
	}
	return c, nil
}

// regrain adds noise to a filled hole, as strong as around it or nearly so.
func (s *scene) regrain(c *change, rgb []float32, mask *picture.Gray, r image.Rectangle) {
	sigma := min(max(grain(s.host, c.mask, 8)*s.uniform(0.6, 1.3), 0.4), 10)
	s.params["grain"] = round3(sigma)
	noise := make([]float32, len(rgb))
	s.addNoise(noise, 1)
	if s.chance(0.5) { // photographic grain is rarely white
		blurPlane(noise, r.Dx(), r.Dy(), 3, s.uniform(0.4, 0.8))
		normalise(noise)
	}
	for i, v := range mask.Pix {
		if v != 0 {
			for k := i * 3; k < i*3+3; k++ {
				rgb[k] = clampLevel(rgb[k] + float32(sigma)*noise[k])
			}
		}
	}
}

// normalise scales values of mean 0 to standard deviation 1.
func normalise(v []float32) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	k := float32(math.Sqrt(float64(len(v)) / sum))
	for i := range v {
		v[i] *= k
	}
}

// hole draws the part of the host that is to be filled in anew.
func (s *scene) hole() (*change, error) {
	mask, shapes, err := s.drawMask(s.host, s.share)
	if err != nil {
		return nil, err
	}
	if s.chance(0.5) { // objects are marked loosely
		grow(mask, s.between(1, 5))
		if share(mask) > MaxShare {
			return nil, errUnsuitable
		}
	}
	s.params["shapes"] = shapes
	c := newChange(s.host)
	c.mask = mask
	return c, nil
}
