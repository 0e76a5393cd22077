package jpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// component is one component while it is decoded.
type component struct {
	id     byte
	h, v   int // sampling factors
	table  int // quantisation
	quant  *[64]int32
	blocks int       // in a row, including padding to whole MCUs
	rows   int       // of blocks
	coef   [][]int16 // of chunkBlocks blocks each, in the order of the file; nil if they are not kept
	pix    []uint8   // nil if only coefficients are wanted
	seen   bool      // a scan has brought samples
	// missing has for each coefficient of a progressive file how many bits scans still have to
	// bring, -1: all.
	missing [64]int8
}

// frame reads a frame header.
func (d *decoder) frame(b []byte, progressive bool) error {
	if d.components != nil {
		return errors.New("more than one frame header")
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return fmt.Errorf("frame header of %d bytes", len(b))
	}
	if b[0] != 8 {
		return fmt.Errorf("%d bits a sample, only 8 are read", b[0])
	}
	p := &d.picture
	p.Height, p.Width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if p.Height == 0 {
		p.Height = lateHeight(d.data[d.at:])
	}
	if p.Width == 0 || p.Height == 0 {
		return fmt.Errorf("a size of %d x %d pixels", p.Width, p.Height)
	}
	count := int(b[5])
	if count != 1 && count != 3 && count != 4 {
		return fmt.Errorf("%d colour components, expected 1, 3 or 4", count)
	}
	d.progressive = progressive
	maxH, maxV := 1, 1
	for i := range count {
		s := b[6+3*i:]
		c := component{id: s[0], h: int(s[1] >> 4), v: int(s[1] & 15), table: int(s[2])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.table > 3 {
			return fmt.Errorf("component %d: sampling %d x %d, quantisation table %d", i, c.h, c.v, c.table)
		}
		maxH, maxV = max(maxH, c.h), max(maxV, c.v)
		d.components = append(d.components, c)
	}
	for i, c := range d.components {
		if maxH%c.h != 0 || maxV%c.v != 0 {
			return fmt.Errorf("component %d is sampled at %d/%d x %d/%d of the finest, which is not read", i, c.h, maxH, c.v, maxV)
		}
	}
	d.maxH, d.maxV = maxH, maxV
	return nil
}

// chunkBlocks is the number of blocks, 8 MiB of coefficients, that get memory at once. Memory that
// was used before is cleared, which takes long for all blocks of a large picture.
const chunkBlocks = 1 << 16

// allocate takes memory for the samples.
func (d *decoder) allocate() error {
	p, maxH, maxV := &d.picture, d.maxH, d.maxV
	d.mcusX, d.mcusY = ceil(p.Width, 8*maxH), ceil(p.Height, 8*maxV)
	for i := range d.components {
		c := &d.components[i]
		c.blocks, c.rows = d.mcusX*c.h, d.mcusY*c.v
		if !d.coefficients {
			c.pix = make([]uint8, 64*c.blocks*c.rows)
		}
		if d.progressive {
			for k := range c.missing {
				c.missing[k] = -1
			}
		}
		if d.progressive || (d.coefficients || d.keep) && i == 0 {
			for left := c.blocks * c.rows; left > 0; left -= chunkBlocks {
				if err := d.ctx.Err(); err != nil {
					return err
				}
				c.coef = append(c.coef, make([]int16, 64*min(left, chunkBlocks)))
			}
		}
		p.Planes = append(p.Planes, Plane{
			ID: c.id, Pix: c.pix, Stride: 8 * c.blocks,
			Width: ceil(p.Width*c.h, maxH), Height: ceil(p.Height*c.v, maxV),
			Horizontal: maxH / c.h, Vertical: maxV / c.v,
		})
	}
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

// samples makes a block's samples of its dequantised coefficients if samples are wanted.
func (c *component) samples(block *[64]int32, x, y int) {
	if c.pix != nil {
		inverseDCT(block, c.pix[(y*8*c.blocks+x)*8:], 8*c.blocks)
	}
}

// coefficients are those that are kept for a block, in the order of the file; nil if none are.
func (c *component) coefficients(x, y int) *[64]int16 {
	if c.coef == nil {
		return nil
	}
	block := y*c.blocks + x
	return (*[64]int16)(c.coef[block/chunkBlocks][64*(block%chunkBlocks):])
}
