package picture

import (
	"context"

	"github.com/declip/declip/internal/picture/jpeg"
)

// Coefficients are the quantised cosine coefficients of a JPEG file; see jpeg.Coefficients.
type Coefficients = jpeg.Coefficients

// Coefficients decodes the coefficients of the JPEG file that the picture was decoded from. The
// result is nil without an error for pictures of other formats, and for files of the Multi-Picture
// Format with more than one picture, which Pillow does not count as JPEG. jpeg.ErrSubsampled is
// wrapped if the first component is smaller than the picture.
//
// A picture that was read with Limits.Coefficients has them already.
func (p *Picture) Coefficients(ctx context.Context) (*Coefficients, error) {
	if p.coefficients != nil || p.file == nil {
		return p.coefficients, nil
	}
	return guarded(func() (*Coefficients, error) {
		f, err := jpeg.Open(p.file)
		if err != nil || severalPictures(f.MPF()) {
			return nil, err
		}
		return f.Coefficients(ctx)
	})
}

// severalPictures reports whether a segment of the Multi-Picture Format (CIPA DC-007) names more
// than one picture. As in Pillow, a damaged segment names none.
func severalPictures(mpf []byte) bool {
	const count, entries, size = 0xb001, 0xb002, 16
	n := tiffShort(mpf, count)
	list, order := tiffBytes(mpf, entries)
	if n < 2 || len(list) < n*size {
		return false
	}
	for i := range n {
		if format := order.Uint32(list[i*size:]) >> 24 & 7; format != 0 { // 0 is JPEG
			return false
		}
	}
	return true
}

// ThroughJPEG returns what is left of a picture after libjpeg has stored it as a JPEG file of
// quality 100 without subsampling and read it again, with the coefficients of that file's luma. The
// bits are libjpeg's. It looks at ctx before every row of blocks, and stops with its error.
func (p *RGB) ThroughJPEG(ctx context.Context) (*RGB, *Coefficients, error) {
	look := watching(ctx)
	c := &Coefficients{Height: (p.Height + 7) / 8 * 8, Width: (p.Width + 7) / 8 * 8}
	c.Values = make([]int16, c.Height*c.Width)
	for i := range c.Steps {
		c.Steps[i] = 1
	}
	out := NewRGB(p.Width, p.Height)
	inBands(c.Height/8, 8, func(y0, y1 int) {
		var planes [3][]uint8
		for i := range planes {
			planes[i] = make([]uint8, 8*c.Width)
		}
		for y := y0; y < y1 && !look.ended(); y++ {
			p.blockRow(y, c.Width, planes)
			jpeg.CodeRow(planes[0], c.Width, c.Values[8*y*c.Width:])
			jpeg.CodeRow(planes[1], c.Width, nil)
			jpeg.CodeRow(planes[2], c.Width, nil)
			for i := range min(8, p.Height-8*y) {
				at := i * c.Width
				rgbRow(out.Pix[3*(8*y+i)*p.Width:], planes[0][at:][:p.Width], planes[1][at:], planes[2][at:])
			}
		}
	})
	out, err := unlessEnded(look, out)
	return out, c, err
}

// blockRow converts the y-th 8 rows to luma and chroma as libjpeg does (jccolor.c), with the last
// column and row repeated up to whole blocks: [8, width] each.
func (p *RGB) blockRow(y, width int, planes [3][]uint8) {
	for i := range 8 {
		row := p.Pix[3*min(8*y+i, p.Height-1)*p.Width:][:3*p.Width]
		for x := range width {
			px := row[3*min(x, p.Width-1):][:3]
			r, g, b := int32(px[0]), int32(px[1]), int32(px[2])
			at := i*width + x
			planes[0][at] = Luma(px[0], px[1], px[2])
			planes[1][at] = uint8((-11059*r - 21709*g + 32768*b + 8421375) >> 16)
			planes[2][at] = uint8((32768*r - 27439*g - 5329*b + 8421375) >> 16)
		}
	}
}
