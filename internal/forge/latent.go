package forge

import (
	"context"
	"image"
	"math"

	"github.com/declip/declip/internal/picture"
)

// MethodLatent is the method that manipulates the latent grid of an autoencoder. It is not one of
// Methods, because it needs a Codec.
const MethodLatent = "latent"

func init() { register(MethodLatent, latent) }

// Codec converts pictures to a grid of latent values and back, like the autoencoder of a
// latent-diffusion generator. It must be safe for concurrent use.
type Codec interface {
	// Reduction is the width and height of a cell in pixels, Channels its number of values.
	Reduction() int
	Channels() int
	// Encode gives h rows of w cells, [h, w, Channels].
	Encode(ctx context.Context, p *picture.RGB) (z []float32, w, h int, err error)
	// Decode makes a picture of the given size in pixels.
	Decode(ctx context.Context, z []float32, w, h, width, height int) (*picture.RGB, error)
	// Digest identifies the codec.
	Digest() string
}

// latent changes a part of the picture as inpainting by latent diffusion does: it encodes the
// picture, gives the masked cells of the latent grid other contents that fit those around them, and
// decodes the whole grid. All of the result comes from the decoder; only the masked cells show
// something else. Cells next to them change a little, too, as far as the decoder's kernels reach.
func latent(ctx context.Context, s *scene) (*change, error) {
	c, err := s.hole()
	if err != nil {
		return nil, err
	}
	g, err := s.encode(ctx, s.host)
	if err != nil {
		return nil, err
	}
	open := g.open(c.mask, s.codec.Reduction())
	decode := func() (*picture.RGB, error) {
		return s.codec.Decode(ctx, g.z, g.w, g.h, s.host.Width, s.host.Height)
	}
	if c.before, err = decode(); err != nil {
		return nil, err
	}
	if err := s.refill(ctx, g, open, c.mask); err != nil {
		return nil, err
	}
	if c.out, err = decode(); err != nil {
		return nil, err
	}
	if s.chance(s.pasteBack) {
		s.params["pasted_back"] = true
		pasteBack(c, s.host)
	}
	return c, nil
}

// grid is a latent grid.
type grid struct {
	z              []float32 // [h*w*channels]
	w, h, channels int
}

// encode is the grid of a picture.
func (s *scene) encode(ctx context.Context, p *picture.RGB) (*grid, error) {
	z, w, h, err := s.codec.Encode(ctx, p)
	return &grid{z, w, h, s.codec.Channels()}, err
}

// open marks the cells that the mask covers by a half or more, and changes the mask to exactly
// these cells.
func (g *grid) open(mask *picture.Gray, size int) []bool {
	covered, pixels := make([]int, g.w*g.h), make([]int, g.w*g.h)
	cell := func(i int) int { return i/mask.Width/size*g.w + i%mask.Width/size }
	for i, v := range mask.Pix {
		pixels[cell(i)]++
		if v != 0 {
			covered[cell(i)]++
		}
	}
	open := make([]bool, g.w*g.h)
	for k := range open {
		open[k] = 2*covered[k] >= pixels[k]
	}
	for i := range mask.Pix {
		mask.Pix[i] = 0
		if open[cell(i)] {
			mask.Pix[i] = 255
		}
	}
	return open
}

// refill gives the open cells new contents: cells of another photograph or from elsewhere in this
// one, shifted to match the surroundings, or the continued surroundings with random texture. The
// result is made a little smoother and noisier than the output of an encoder, like the samples of a
// diffusion model.
func (s *scene) refill(ctx context.Context, g *grid, open []bool, mask *picture.Gray) error {
	texture := g.texture(open)
	kind := []string{"other", "elsewhere", "surroundings"}[s.weighted(0.4, 0.3, 0.3)]
	s.params["fill"] = kind
	var err error
	switch kind {
	case "surroundings":
		if err = s.continueInto(ctx, g, open, mask); err == nil {
			s.addTexture(g, open, texture, s.uniform(0.3, 0.9))
		}
	case "elsewhere":
		err = s.graft(g, open, g.clone(), open)
	default:
		var from *grid
		if from, err = s.encodeDonor(ctx); err == nil {
			err = s.graft(g, open, from, nil)
		}
	}
	if err != nil {
		return err
	}
	smooth, noise := s.uniform(0.4, 0.9), s.uniform(0.05, 0.25)
	s.params["smoothing"], s.params["noise"] = round3(smooth), round3(noise)
	g.smooth(open, float32(smooth))
	s.addTexture(g, open, texture, noise)
	return nil
}

// encodeDonor is the grid of another photograph.
func (s *scene) encodeDonor(ctx context.Context) (*grid, error) {
	donor, err := s.donor(s.host.Width, s.host.Height)
	if err != nil {
		return nil, err
	}
	return s.encode(ctx, donor)
}

// continueInto continues the colours around the open cells into them. It does so in the picture and
// encodes the result, because the mean of latent values is not the code of the mean colour.
func (s *scene) continueInto(ctx context.Context, g *grid, open []bool, mask *picture.Gray) error {
	filled := s.host.Clone()
	v := newCavity(s.host, mask)
	v.fill(harmonic, 0)
	v.writeTo(filled)
	from, err := s.encode(ctx, filled)
	if err != nil {
		return err
	}
	for i, o := range open {
		if o {
			copy(g.z[i*g.channels:(i+1)*g.channels], from.z[i*g.channels:])
		}
	}
	return nil
}

func (g *grid) clone() *grid {
	c := *g
	c.z = append([]float32(nil), g.z...)
	return &c
}

// at is a cell's values.
func (g *grid) at(x, y int) []float32 {
	i := (y*g.w + x) * g.channels
	return g.z[i : i+g.channels]
}

// graft fills the open cells with cells of another grid. Among a number of random positions it
// takes the one that agrees best with the surroundings, and continues the remaining difference
// along the rim into the open cells by Laplace's equation. Positions with many avoided cells are
// rejected; avoid has the other grid's size.
func (s *scene) graft(g *grid, open []bool, from *grid, avoid []bool) error {
	r := boundsOf(open, g.w)
	wide := around(r, 1, g.w, g.h)
	if r.Empty() || wide.Dx() > from.w || wide.Dy() > from.h {
		return errUnsuitable
	}
	best, bestCost, found := image.Point{}, 0.0, false
	for range 24 {
		at := image.Pt(s.between(0, from.w-wide.Dx()), s.between(0, from.h-wide.Dy()))
		if cost, ok := rimCost(g, open, wide, from, at, avoid); ok && (!found || cost < bestCost) {
			best, bestCost, found = at, cost, true
		}
	}
	if !found {
		return errUnsuitable
	}
	w, h := wide.Dx(), wide.Dy()
	diff, inside := make([]float32, w*h*g.channels), make([]bool, w*h)
	for y := range h {
		for x := range w {
			i := y*w + x
			inside[i] = open[(wide.Min.Y+y)*g.w+wide.Min.X+x]
			for k, v := range g.at(wide.Min.X+x, wide.Min.Y+y) {
				diff[i*g.channels+k] = v - from.at(best.X+x, best.Y+y)[k]
			}
		}
	}
	solveLaplace(diff, w, h, g.channels, inside)
	for y := range h {
		for x := range w {
			if i := y*w + x; inside[i] {
				to := g.at(wide.Min.X+x, wide.Min.Y+y)
				for k, v := range from.at(best.X+x, best.Y+y) {
					to[k] = v + diff[i*g.channels+k]
				}
			}
		}
	}
	return nil
}

// rimCost is the mean squared difference of the cells that touch open ones, for a position of the
// rectangle in the other grid, and whether it avoids enough cells.
func rimCost(g *grid, open []bool, wide image.Rectangle, from *grid, at image.Point, avoid []bool) (float64, bool) {
	sum, n, clashes, inside := 0.0, 0, 0, 0
	for y := wide.Min.Y; y < wide.Max.Y; y++ {
		for x := wide.Min.X; x < wide.Max.X; x++ {
			fx, fy := x-wide.Min.X+at.X, y-wide.Min.Y+at.Y
			if open[y*g.w+x] {
				inside++
				if avoid != nil && avoid[fy*from.w+fx] {
					clashes++
				}
				continue
			}
			if !touches(open, g.w, g.h, x, y) {
				continue
			}
			n++
			other := from.at(fx, fy)
			for k, v := range g.at(x, y) {
				d := float64(v - other[k])
				sum += d * d
			}
		}
	}
	return sum / float64(max(n, 1)), clashes*50 <= inside
}

// touches reports whether a neighbour of a cell is open.
func touches(open []bool, w, h, x, y int) bool {
	i := y*w + x
	return x > 0 && open[i-1] || x < w-1 && open[i+1] || y > 0 && open[i-w] || y < h-1 && open[i+w]
}

// boundsOf is the smallest rectangle that holds the open cells.
func boundsOf(open []bool, w int) image.Rectangle {
	m := picture.NewGray(w, len(open)/w)
	for i, o := range open {
		if o {
			m.Pix[i] = 255
		}
	}
	return bounds(m)
}

// texture is, for each value, the local standard deviation of its channel's difference from a
// blurred version. Open cells take it from the cells around them.
func (g *grid) texture(open []bool) []float32 {
	soft := g.clone()
	blurPlane(soft.z, g.w, g.h, g.channels, 1)
	v := soft.z
	for i, z := range g.z {
		v[i] = (z - v[i]) * (z - v[i])
	}
	blurPlane(v, g.w, g.h, g.channels, 2)
	solveLaplace(v, g.w, g.h, g.channels, open)
	for i := range v {
		v[i] = float32(math.Sqrt(float64(max(v[i], 0))))
	}
	return v
}

// addTexture adds noise to the open cells, with the given multiple of texture as standard
// deviation.
func (s *scene) addTexture(g *grid, open []bool, texture []float32, times float64) {
	for i, o := range open {
		if !o {
			continue
		}
		for k := i * g.channels; k < (i+1)*g.channels; k++ {
			g.z[k] += texture[k] * float32(times*s.NormFloat64())
		}
	}
}

// smooth moves the open cells towards the mean of their surroundings, by strength in [0,1].
func (g *grid) smooth(open []bool, strength float32) {
	soft := g.clone()
	blurPlane(soft.z, g.w, g.h, g.channels, 0.8)
	for i, o := range open {
		if !o {
			continue
		}
		for k := i * g.channels; k < (i+1)*g.channels; k++ {
			g.z[k] += strength * (soft.z[k] - g.z[k])
		}
	}
}

// pasteBack restores the host's own pixels outside the mask, with a fading edge.
func pasteBack(c *change, host *picture.RGB) {
	alpha := make([]float32, len(c.mask.Pix))
	for i, v := range c.mask.Pix {
		alpha[i] = float32(v) / 255
	}
	blurPlane(alpha, host.Width, host.Height, 1, 1.5)
	for i, a := range alpha {
		for k := i * 3; k < i*3+3; k++ {
			v := float32(host.Pix[k])
			c.out.Pix[k] = toByte(v + a*(float32(c.out.Pix[k])-v))
		}
	}
	c.before = host
}
