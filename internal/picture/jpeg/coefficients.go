package jpeg

import (
	"context"
	"errors"
	"fmt"
)

// Coefficients are the quantised cosine coefficients of a file's first component: luma or grey in
// most files, red or an ink in some.
type Coefficients struct {
	// Values of all blocks: [Height, Width]. The coefficient for u waves down and v across a block is
	// at the place of the block's sample in row u and column v. They are not multiplied by Steps.
	Values []int16
	// Height and Width are the picture's, rounded up to multiples of 8.
	Height, Width int
	// Steps are the quantisation steps of the frequencies, row by row.
	Steps [64]uint16
}

// ErrSubsampled is in errors about files whose first component is stored at a smaller size than the
// picture.
var ErrSubsampled = errors.New("the first component is stored at a smaller size than the picture")

// Coefficients decodes the coefficients and no samples. It is called instead of Decode, with the
// same errors, and once. A first component of a smaller size is ErrSubsampled (wrapped).
func (f *File) Coefficients(ctx context.Context) (*Coefficients, error) {
	d := &f.d
	if !d.firstIsFull() {
		return nil, fmt.Errorf("jpeg: %w", ErrSubsampled)
	}
	d.ctx, d.coefficients = ctx, true
	if err := d.decode(); err != nil {
		return nil, fmt.Errorf("jpeg: %w", err)
	}
	return d.firstCoefficients(), nil
}

// DecodeBoth is DecodeContext and Coefficients in one pass. The coefficients are nil for a file
// whose first component has a smaller size than the picture.
func (f *File) DecodeBoth(ctx context.Context) (*Picture, *Coefficients, error) {
	f.d.keep = f.d.firstIsFull()
	p, err := f.DecodeContext(ctx)
	if err != nil || !f.d.keep {
		return p, nil, err
	}
	return p, f.d.firstCoefficients(), nil
}

// firstIsFull reports whether the first component is stored at the picture's size.
func (d *decoder) firstIsFull() bool {
	first := &d.components[0]
	return first.h == d.maxH && first.v == d.maxV
}

// firstCoefficients puts the coefficients of the first component in their places.
func (d *decoder) firstCoefficients() *Coefficients {
	first := &d.components[0]
	// Blocks that only fill up the last MCU are left out.
	across, down := ceil(d.picture.Width, 8), ceil(d.picture.Height, 8)
	c := &Coefficients{Values: make([]int16, 64*across*down), Height: 8 * down, Width: 8 * across}
	for k, v := range first.quant {
		c.Steps[unzigzag[k]] = uint16(v)
	}
	for y := range down {
		for x := range across {
			at := 8 * (y*c.Width + x)
			for k, v := range first.coefficients(x, y) {
				place := int(unzigzag[k])
				c.Values[at+place/8*c.Width+place%8] = v
			}
		}
	}
	return c
}
