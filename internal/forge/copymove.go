package forge

import (
	"context"
	"image"

	"github.com/declip/declip/internal/picture"
)

func init() { register("copy-move", copyMove) }

// copyMove pastes a part of the picture elsewhere in it, sometimes several times. The mask marks
// the copies, not the original.
func copyMove(_ context.Context, s *scene) (*change, error) {
	copies := 1 + s.weighted(0.85, 0.1, 0.05)
	mask, shapes, err := s.drawMask(s.host, max(s.share/float64(copies), s.leastShare()))
	if err != nil {
		return nil, err
	}
	s.params["shapes"] = shapes
	if copies > 1 {
		s.params["copies"] = copies
	}
	c := newChange(s.host)
	for range copies {
		if err := s.copyOnce(c, mask); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// copyOnce adds one copy of the masked part to c.
func (s *scene) copyOnce(c *change, mask *picture.Gray) error {
	piece, from := cut(s.host, mask)
	t := s.drawWarp(0.85, 0.7, 1.4)
	piece = t.apply(piece)
	e := s.drawEdge(0.08)
	e.soften(piece)
	at, ok := s.placeApart(piece, from, mask)
	if !ok {
		return errUnsuitable
	}
	t.describe(s.params)
	e.describe(s.params)
	s.params["from"], s.params["to"] = []int{from.Min.X, from.Min.Y}, []int{at.X, at.Y}
	if s.chance(0.2) {
		s.retouch(piece, s.params)
	}
	e.paste(c.out, c.mask, piece, at)
	return nil
}

// placeApart draws a position at which at most a quarter of the piece covers the original.
func (s *scene) placeApart(c *cutout, from image.Rectangle, source *picture.Gray) (image.Point, bool) {
	for range 12 {
		at := s.place(c, source.Width, source.Height)
		if abs(at.X-from.Min.X)+abs(at.Y-from.Min.Y) < 12 {
			continue
		}
		covered, total := 0, 1
		for y := 0; y < c.h; y += 2 {
			for x := 0; x < c.w; x += 2 {
				if c.alpha[y*c.w+x] < 0.5 {
					continue
				}
				total++
				px, py := x+at.X, y+at.Y
				if px >= 0 && py >= 0 && px < source.Width && py < source.Height && source.Pix[py*source.Width+px] != 0 {
					covered++
				}
			}
		}
		if covered*4 <= total {
			return at, true
		}
	}
	return image.Point{}, false
}
