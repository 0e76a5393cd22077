package dataset

import (
	"context"

	"github.com/declip/declip/internal/picture"
)

// blockSide is the side of JPEG's blocks in pixels.
const blockSide = 8

// coded is a picture with its JPEG file's coefficients, for networks that read both.
type coded struct {
	rgb    *picture.RGB
	values *picture.Coefficients
}

// decodeCoefficients decodes those of the picture's file. A picture of another format is first
// stored as JPEG of quality 100, in memory, as for localizing.
func decodeCoefficients(p *picture.Picture) (*coded, error) {
	c, err := p.Coefficients(context.Background())
	if err != nil {
		return nil, err
	}
	if c != nil {
		return &coded{p.RGB, c}, nil
	}
	rgb, c, err := p.ThroughJPEG(context.Background())
	return &coded{rgb, c}, err
}

// place is where a crop was cut, and how it was turned.
type place struct{ x, y, side, turn int }

// fill gives an example the coefficients and steps that belong to its pixels, and returns the
// picture with these pixels. A crop whose pixels are unchanged has those of its blocks in the file,
// turned with them. A crop that an augmentation stored as JPEG has those of that file. All others
// are first stored as JPEG of quality 100.
func (f *coded) fill(d Draw, at place, crop *picture.Picture, unchanged bool) (*picture.Picture, error) {
	if unchanged {
		turnCoefficients(d.Coefficients, f.cut(at), at.side, at.turn)
		fillSteps(d.Steps, f.values, at.turn)
		return crop, nil
	}
	own, err := decodeCoefficients(crop)
	if err != nil {
		return nil, err
	}
	for i, v := range own.values.Values {
		d.Coefficients[i] = float32(v)
	}
	fillSteps(d.Steps, own.values, 0)
	return picture.New(own.rgb), nil
}

// cut copies the coefficients of a crop's blocks; beyond the picture they are 0.
func (f *coded) cut(at place) []int16 {
	out := make([]int16, at.side*at.side)
	c := f.values
	if at.x < c.Width {
		for y := range min(at.side, c.Height-at.y) {
			copy(out[y*at.side:(y+1)*at.side], c.Values[(at.y+y)*c.Width+at.x:(at.y+y+1)*c.Width])
		}
	}
	return out
}

// clear makes a crop beyond the picture what it is when the picture is localized: pixels and
// coefficients are 0, and nothing is manipulated. It must be called last.
func (f *coded) clear(d Draw, at place, stride int) {
	width, height := f.rgb.Width-at.x, f.rgb.Height-at.y
	if width >= at.side && height >= at.side {
		return
	}
	block := func(n int) int { return (n + blockSide - 1) / blockSide * blockSide }
	cells, targets := at.side*at.side, at.side/stride
	for y := range at.side {
		for x := range at.side {
			from := source(at.turn, x, y, at.side)
			column, row := from%at.side, from/at.side
			i := y*at.side + x
			if column >= width || row >= height {
				d.Image[i], d.Image[cells+i], d.Image[2*cells+i] = 0, 0, 0
			}
			if column >= block(width) || row >= block(height) {
				d.Coefficients[i] = 0
				d.Target[y/stride*targets+x/stride] = 0
			}
		}
	}
}

// turnCoefficients writes the coefficients of a square of side x side pixels, turned as in source:
// blocks move, mirroring changes the signs of odd waves, and exchanging rows and columns exchanges
// the two directions of waves.
func turnCoefficients(dst []float32, from []int16, side, turn int) {
	blocks := side / blockSide
	for y := range side {
		for x := range side {
			u, v := y%blockSide, x%blockSide
			negative := turn&1 != 0 && v%2 == 1
			if turn&2 != 0 && u%2 == 1 {
				negative = !negative
			}
			block := source(turn, x/blockSide, y/blockSide, blocks)
			if turn&4 != 0 {
				u, v = v, u
			}
			value := float32(from[(block/blocks*blockSide+u)*side+block%blocks*blockSide+v])
			if negative {
				value = -value
			}
			dst[y*side+x] = value
		}
	}
}

// fillSteps writes quantisation steps, whose rows and columns a turn may exchange.
func fillSteps(dst []float32, c *picture.Coefficients, turn int) {
	for i, step := range c.Steps {
		if turn&4 != 0 {
			i = i%blockSide*blockSide + i/blockSide
		}
		dst[i] = float32(step)
	}
}
