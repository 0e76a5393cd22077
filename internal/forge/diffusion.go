package forge

import (
	"context"
	"image"
	"math"
	"slices"

	"github.com/declip/declip/internal/picture"
)

func init() { register("inpaint-diffusion", inpaintDiffusion) }

// maxMarchWork bounds the pixel reads of a fast-marching fill.
const maxMarchWork = 4e6

// The ways to continue the surroundings of a hole into it.
const (
	telea        = "telea"
	navierStokes = "navier-stokes"
	harmonic     = "harmonic"
)

// inpaintDiffusion removes a part of the picture and continues the colours around it into the hole:
// by fast marching (Telea's method, or along the lines of equal brightness as in the Navier-Stokes
// analogy) or by Laplace's equation.
func inpaintDiffusion(_ context.Context, s *scene) (*change, error) {
	c, err := s.hole()
	if err != nil {
		return nil, err
	}
	v := newCavity(s.host, c.mask)
	solver := []string{telea, navierStokes, harmonic}[s.weighted(0.36, 0.34, 0.3)]
	s.params["solver"] = solver
	radius := 0.0
	if solver != harmonic {
		radius = s.uniform(2.5, 7)
		radius = max(1.5, min(radius, math.Sqrt(maxMarchWork/math.Pi/float64(count(c.mask)))))
		s.params["radius"] = round3(radius)
	}
	v.fill(solver, radius)
	if s.chance(0.25) {
		s.regrain(v)
	}
	v.writeTo(c.out)
	return c, nil
}

// cavity is a hole with its surroundings.
type cavity struct {
	host *picture.RGB
	mask *picture.Gray
	r    image.Rectangle // the part of the host around the hole
	rgb  []float32       // its colours, 0..255, [r.Dy()*r.Dx()*3]
	open []bool
}

func newCavity(host *picture.RGB, mask *picture.Gray) *cavity {
	v := &cavity{host: host, mask: mask, r: around(bounds(mask), 12, mask.Width, mask.Height)}
	v.rgb = make([]float32, v.r.Dx()*v.r.Dy()*3)
	for i, x := range cropRGB(host, v.r).Pix {
		v.rgb[i] = float32(x)
	}
	v.open = make([]bool, v.r.Dx()*v.r.Dy())
	for i, x := range cropMask(mask, v.r).Pix {
		v.open[i] = x != 0
	}
	return v
}

// fill continues the surroundings. The radius in pixels applies to marching only.
func (v *cavity) fill(solver string, radius float64) {
	w, h := v.r.Dx(), v.r.Dy()
	if solver == harmonic {
		solveLaplace(v.rgb, w, h, 3, v.open)
		return
	}
	newMarch(v.rgb, w, h, slices.Clone(v.open), radius, solver == telea).run()
}

// writeTo copies the filled pixels to a picture.
func (v *cavity) writeTo(out *picture.RGB) {
	for i, o := range v.open {
		if !o {
			continue
		}
		at := ((v.r.Min.Y+i/v.r.Dx())*out.Width + v.r.Min.X + i%v.r.Dx()) * 3
		for k := range 3 {
			out.Pix[at+k] = toByte(v.rgb[i*3+k])
		}
	}
}

// regrain adds noise to a filled hole, about as strong as the noise around it.
func (s *scene) regrain(v *cavity) {
	sigma := min(max(grain(v.host, v.mask, 8)*s.uniform(0.6, 1.3), 0.4), 10)
	s.params["grain"] = round3(sigma)
	noise := make([]float32, len(v.rgb))
	s.addNoise(noise, 1)
	if s.chance(0.5) { // photographic grain is rarely white
		blurPlane(noise, v.r.Dx(), v.r.Dy(), 3, s.uniform(0.4, 0.8))
		normalise(noise)
	}
	for i, o := range v.open {
		if o {
			for k := i * 3; k < i*3+3; k++ {
				v.rgb[k] = clampLevel(v.rgb[k] + float32(sigma)*noise[k])
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

// hole draws the part of the host to remove.
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
