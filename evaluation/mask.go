package evaluation

import (
	"errors"
	"fmt"
	"image"
	"image/color"

	"github.com/declip/declip/internal/picture"
)

// NewMask makes a mask of marked, [height, width] row by row, true where a pixel was manipulated.
func NewMask(marked []bool, width, height int) (image.Image, error) {
	if width < 1 || height < 1 || len(marked) != width*height {
		return nil, fmt.Errorf("mask of %d x %d with %d pixels", width, height, len(marked))
	}
	mask := image.NewGray(image.Rect(0, 0, width, height))
	for i, v := range marked {
		if v {
			mask.Pix[i] = 255
		}
	}
	return mask, nil
}

// marks is the lowest grey level that marks a pixel.
const marks = 128

// grey converts a mask to 8-bit grey. It refuses masks of which no level marks but some are not 0,
// such as those whose manipulated pixels are 1.
func grey(mask image.Image) (*picture.Gray, error) {
	b := mask.Bounds()
	if b.Empty() {
		return nil, errors.New("the mask has no pixels")
	}
	g := picture.NewGray(b.Dx(), b.Dy())
	for y := range g.Height {
		row := g.Pix[y*g.Width:][:g.Width]
		if m, ok := mask.(*image.Gray); ok {
			copy(row, m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):])
			continue
		}
		for x := range row {
			row[x] = color.GrayModel.Convert(mask.At(b.Min.X+x, b.Min.Y+y)).(color.Gray).Y
		}
	}
	highest := uint8(0)
	for _, v := range g.Pix {
		highest = max(highest, v)
	}
	if highest > 0 && highest < marks {
		return nil, fmt.Errorf("the mask's highest grey level is %d: expected 255 where a pixel was manipulated", highest)
	}
	return g, nil
}
