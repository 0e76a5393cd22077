package forge

import (
	"image"

	"github.com/declip/declip/internal/picture"
)

// Retouching manipulates one picture in a given way instead of a random one, with the same
// operations as the methods. Mask collects the changed pixels.
type Retouching struct {
	Picture *picture.RGB
	Mask    *picture.Gray // 255 = manipulated
}

// NewRetouching starts from a copy of a picture.
func NewRetouching(p *picture.RGB) *Retouching {
	return &Retouching{p.Clone(), picture.NewGray(p.Width, p.Height)}
}

// Placement says where and how a part is pasted.
type Placement struct {
	Center  image.Point // of the part, in the destination
	Scale   float64     // 1 = unchanged
	Angle   float64     // degrees
	Feather float64     // width of the fading edge, pixels; 0 = hard
}

// Paste puts the masked part of a picture, the same or another, on this one. The mask has the size
// of the picture that the part comes from.
func (r *Retouching) Paste(from *picture.RGB, part *picture.Gray, to Placement) {
	piece, _ := cut(from, part)
	piece = warp{scale: to.Scale, angle: to.Angle, kernel: "bicubic"}.apply(piece)
	e := edge{kind: "hard"}
	if to.Feather > 0 {
		e = edge{kind: "feather", feather: to.Feather}
	}
	e.soften(piece)
	e.paste(r.Picture, r.Mask, piece, to.Center.Sub(image.Pt(piece.w/2, piece.h/2)))
}

// Remove removes the masked part and continues its surroundings into the hole along the lines of
// equal brightness.
func (r *Retouching) Remove(part *picture.Gray) {
	v := newCavity(r.Picture, part)
	v.fill(navierStokes, 6)
	v.writeTo(r.Picture)
	for i, x := range part.Pix {
		r.Mask.Pix[i] |= x
	}
}
