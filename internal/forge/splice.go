package forge

import (
	"context"
	"image"
	"math"

	"github.com/declip/declip/internal/picture"
)

func init() { register("splice", splice) }

// splice pastes an object of another photograph. The object is cut out along a random shape or
// along the borders of the donor's objects.
func splice(_ context.Context, s *scene) (*change, error) {
	t := s.drawWarp(0.65, 0.5, 1.6)
	w, h := s.host.Width, s.host.Height
	reach := func(n int) int { return max(minSide, int(math.Ceil(float64(n)/t.scale))) }
	donor, err := s.donor(reach(w), reach(h))
	if err != nil {
		return nil, err
	}
	if s.chance(0.35) { // the donor was saved once more before it was cut
		quality := s.between(55, 97)
		stored, _, err := picture.ThroughJPEG(donor, quality)
		if err != nil {
			return nil, err
		}
		donor = stored.RGB
		s.params["donor_quality"] = quality
	}
	wanted := s.share * float64(w*h) / (t.scale * t.scale)
	mask, shapes, err := s.drawMask(donor, min(max(wanted/float64(donor.Width*donor.Height), s.leastShare()), 0.9*MaxShare))
	if err != nil {
		return nil, err
	}
	s.params["shapes"] = shapes
	t.describe(s.params)
	piece, from := cut(donor, mask)
	piece = t.apply(piece)
	e := s.drawEdge(0.08)
	e.describe(s.params)
	e.soften(piece)

	at := s.place(piece, w, h)
	if t.identity() && s.chance(0.15) { // at the same place, as when two takes are merged
		at = from.Min
	}
	s.retouch(piece, s.params)
	if s.chance(0.45) {
		strength := s.uniform(0.3, 1)
		s.params["colour_match"] = round3(strength)
		piece.match(toneAt(s.host, image.Rect(0, 0, piece.w, piece.h).Add(at)), strength)
	}
	c := newChange(s.host)
	e.paste(c.out, c.mask, piece, at)
	return c, nil
}

// place draws the position of the piece's upper left corner. The piece is mostly inside the picture
// and sometimes crosses its border.
func (s *scene) place(c *cutout, w, h int) image.Point {
	over := 0.0
	if s.chance(0.25) {
		over = 0.35
	}
	axis := func(piece, size int) int {
		slack := int(over * float64(piece))
		lo, hi := -slack, size-piece+slack
		if lo > hi {
			lo, hi = hi, lo
		}
		return s.between(lo, hi)
	}
	return image.Pt(axis(c.w, w), axis(c.h, h))
}
