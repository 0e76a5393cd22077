package forge

import (
	"context"
	"image"

	"github.com/declip/declip/internal/picture"
)

func init() { register("inpaint-exemplar", inpaintExemplar) }

// inpaintExemplar removes a part of the picture and fills the hole from elsewhere in the picture:
// patch by patch (PatchMatch), or with the one piece that fits the rim best, like a healing tool.
func inpaintExemplar(_ context.Context, s *scene) (*change, error) {
	c, err := s.hole()
	if err != nil {
		return nil, err
	}
	if s.chance(0.08) {
		return c, s.healOver(c)
	}
	hole := bounds(c.mask)
	margin := max(40, s.between(1, 3)*max(hole.Dx(), hole.Dy())/3)
	r := around(hole, margin, c.mask.Width, c.mask.Height)
	radius := []int{2, 3, 4}[s.weighted(0.3, 0.5, 0.2)]
	p := newPatches(cropRGB(s.host, r), cropMask(c.mask, r), radius, s.dice)
	p.copyBest = s.chance(0.25)
	s.params["patch"], s.params["fill"] = 2*radius+1, "vote"
	if p.copyBest {
		s.params["fill"] = "copy"
	}
	if !p.complete() {
		return nil, errUnsuitable
	}
	for y := range p.h {
		for x := range p.w {
			i := y*p.w + x
			if p.hole[i] {
				at := (r.Min.Y+y)*s.host.Width + r.Min.X + x
				copy(c.out.Pix[at*3:at*3+3], p.pix[i*3:])
			}
		}
	}
	return c, nil
}

// healOver covers the hole with one shifted piece of the picture.
func (s *scene) healOver(c *change) error {
	shift, ok := s.bestShift(c.mask)
	if !ok {
		return errUnsuitable
	}
	e := s.drawEdge(0.6)
	s.params["fill"], s.params["shift"] = "shift", []int{shift.X, shift.Y}
	e.describe(s.params)
	// The piece has the hole's shape and comes from where the shift points.
	from := picture.NewGray(c.mask.Width, c.mask.Height)
	for i, v := range c.mask.Pix {
		if v != 0 {
			from.Pix[i+shift.Y*from.Width+shift.X] = 255
		}
	}
	piece, at := cut(s.host, from)
	e.soften(piece)
	c.mask = picture.NewGray(c.mask.Width, c.mask.Height)
	e.paste(c.out, c.mask, piece, at.Min.Sub(shift))
	return nil
}

// bestShift draws shifts that move the hole onto known pixels of the picture, and returns the one
// whose colours agree best along the hole's rim.
func (s *scene) bestShift(mask *picture.Gray) (best image.Point, ok bool) {
	w, h := mask.Width, mask.Height
	hole := bounds(mask)
	wide := mask.Clone()
	grow(wide, 3)
	var rim, inside []int32
	for i, v := range wide.Pix {
		switch {
		case mask.Pix[i] != 0:
			inside = append(inside, int32(i))
		case v != 0:
			rim = append(rim, int32(i))
		}
	}
	rimStep, insideStep := 1+len(rim)/400, 1+len(inside)/400
	bestCost := 0
	for range 150 {
		shift := image.Pt(s.between(-hole.Min.X, w-hole.Max.X), s.between(-hole.Min.Y, h-hole.Max.Y))
		by := shift.Y*w + shift.X
		if clash(mask.Pix, inside, insideStep, by) {
			continue
		}
		cost, n := 0, 0
		for k := 0; k < len(rim); k += rimStep {
			i := int(rim[k])
			x, y := i%w+shift.X, i/w+shift.Y
			if x < 0 || y < 0 || x >= w || y >= h {
				continue
			}
			n++
			for ch := range 3 {
				d := int(s.host.Pix[i*3+ch]) - int(s.host.Pix[(i+by)*3+ch])
				cost += d * d
			}
		}
		if n == 0 {
			continue
		}
		if cost /= n; !ok || cost < bestCost {
			best, bestCost, ok = shift, cost, true
		}
	}
	return best, ok
}

// clash reports whether more than a few of the shifted pixels are masked themselves.
func clash(mask []uint8, pixels []int32, step, by int) bool {
	hit, n := 0, 0
	for k := 0; k < len(pixels); k += step {
		n++
		if mask[int(pixels[k])+by] != 0 {
			hit++
		}
	}
	return hit*50 > n
}
