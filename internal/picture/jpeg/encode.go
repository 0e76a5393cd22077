package jpeg

import (
	"encoding/binary"
	"fmt"
)

// Tables are the quantisation steps and the subsampling of a file to be written.
type Tables struct {
	Luma, Chroma [64]uint8 // steps of the frequencies, row by row, at least 1
	// Horizontal and Vertical are how many pixels a sample of chroma covers in each direction:
	// 1 or 2.
	Horizontal, Vertical int
}

// MCU is the size in pixels of the units that a file is made of.
func (t Tables) MCU() (width, height int) { return 8 * t.Horizontal, 8 * t.Vertical }

// Validate names the first value that a file cannot have.
func (t Tables) Validate() error {
	if t.Horizontal < 1 || t.Horizontal > 2 || t.Vertical < 1 || t.Vertical > 2 {
		return fmt.Errorf("jpeg: chroma for %d x %d pixels: expected 1 or 2", t.Horizontal, t.Vertical)
	}
	for i := range 64 {
		if t.Luma[i] == 0 || t.Chroma[i] == 0 {
			return fmt.Errorf("jpeg: quantisation step %d is 0", i)
		}
	}
	return nil
}

// Encode writes a baseline file with the Huffman tables of the standard. planes are luma and the
// two chroma planes at their own sizes: whole MCUs, without padding between rows; width and height
// are the picture's. The coefficients are those of libjpeg's default transform.
func Encode(width, height int, planes [3][]uint8, t Tables) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if width < 1 || height < 1 || width > 65535 || height > 65535 {
		return nil, fmt.Errorf("jpeg: a picture of %d x %d pixels: expected 1 to 65535", width, height)
	}
	mw, mh := t.MCU()
	e := &encoder{t: t, across: ceil(width, mw), down: ceil(height, mh)}
	for i, p := range planes {
		across, down := e.blocks(i)
		if len(p) != 64*across*down {
			return nil, fmt.Errorf("jpeg: plane %d has %d samples, expected %d", i, len(p), 64*across*down)
		}
	}
	e.out = make([]byte, 0, width*height/4)
	e.header(width, height)
	e.scan(planes)
	return append(e.out, 0xff, markEOI), nil
}

// encoder writes one file.
type encoder struct {
	t            Tables
	across, down int // MCUs
	out          []byte
	bits         uint32 // not written yet, the first at the top
	count        uint
}

// blocks is the number of blocks of a plane.
func (e *encoder) blocks(plane int) (across, down int) {
	if plane == 0 {
		return e.across * e.t.Horizontal, e.down * e.t.Vertical
	}
	return e.across, e.down
}

// segment writes a marker and its segment.
func (e *encoder) segment(marker byte, body []byte) {
	e.out = append(e.out, 0xff, marker)
	e.out = binary.BigEndian.AppendUint16(e.out, uint16(2+len(body)))
	e.out = append(e.out, body...)
}

func (e *encoder) header(width, height int) {
	e.out = append(e.out, 0xff, markSOI)
	e.segment(0xe0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
	for i, steps := range [][64]uint8{e.t.Luma, e.t.Chroma} {
		body := []byte{byte(i)}
		for _, place := range unzigzag {
			body = append(body, steps[place])
		}
		e.segment(0xdb, body)
	}
	frame := []byte{8, byte(height >> 8), byte(height), byte(width >> 8), byte(width), 3}
	frame = append(frame, 1, byte(e.t.Horizontal<<4|e.t.Vertical), 0, 2, 0x11, 1, 3, 0x11, 1)
	e.segment(0xc0, frame)
	for slot := range 2 {
		for class, spec := range []tableSpec{standardDC[slot], standardAC[slot]} {
			body := append([]byte{byte(class<<4 | slot)}, spec.counts[:]...)
			e.segment(0xc4, append(body, spec.symbols...))
		}
	}
	e.segment(0xda, []byte{3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0})
}

// code is a Huffman code.
type code struct {
	bits   uint32
	length uint
}

// codes gives the code of each symbol (T.81, C.2).
func (s tableSpec) codes() (list [256]code) {
	next, k := uint32(0), 0
	for i, n := range s.counts {
		for range n {
			list[s.symbols[k]] = code{next, uint(i + 1)}
			next++
			k++
		}
		next <<= 1
	}
	return list
}

func (e *encoder) scan(planes [3][]uint8) {
	var dc, ac [2][256]code
	for slot := range 2 {
		dc[slot], ac[slot] = standardDC[slot].codes(), standardAC[slot].codes()
	}
	var before [3]int32
	var block [64]int32
	for my := range e.down {
		for mx := range e.across {
			for i, plane := range planes {
				slot, h, v, steps := 1, 1, 1, &e.t.Chroma
				if i == 0 {
					slot, h, v, steps = 0, e.t.Horizontal, e.t.Vertical, &e.t.Luma
				}
				stride, _ := e.blocks(i)
				for b := range h * v {
					at := ((my*v+b/h)*8*stride + mx*h + b%h) * 8
					quantised(&block, plane[at:], 8*stride, steps)
					e.block(&block, &before[i], &dc[slot], &ac[slot])
				}
			}
		}
	}
	e.write(code{0x7f, 7}) // fills up the last byte with ones
}

// quantised computes a block's coefficients in steps, rounded as libjpeg does.
func quantised(block *[64]int32, samples []uint8, stride int, steps *[64]uint8) {
	for i := range block {
		block[i] = int32(samples[i/8*stride+i%8]) - 128
	}
	forwardDCT(block)
	for i, v := range block {
		step := 8 * int32(steps[i]) // the transform's results are 8 times the coefficients
		if v < 0 {
			block[i] = -((step/2 - v) / step)
		} else {
			block[i] = (step/2 + v) / step
		}
	}
}

// block writes the coefficients of a block.
func (e *encoder) block(b *[64]int32, before *int32, dc, ac *[256]code) {
	size, rest := magnitude(b[0] - *before)
	*before = b[0]
	e.write(dc[size])
	e.write(rest)
	run := 0
	for _, place := range unzigzag[1:] {
		v := b[place]
		if v == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			e.write(ac[0xf0])
		}
		size, rest := magnitude(v)
		e.write(ac[run<<4|size])
		e.write(rest)
		run = 0
	}
	if run > 0 {
		e.write(ac[0])
	}
}

// magnitude is the category of a value, and the bits that tell it from others of that category
// (T.81, F.1.2.1).
func magnitude(v int32) (size int, rest code) {
	a := v
	if v < 0 {
		a, v = -v, v-1
	}
	for ; a > 0; a >>= 1 {
		size++
	}
	return size, code{uint32(v) & (1<<size - 1), uint(size)}
}

func (e *encoder) write(c code) {
	e.count += c.length
	e.bits |= c.bits << (32 - e.count)
	for ; e.count >= 8; e.count -= 8 {
		b := byte(e.bits >> 24)
		e.out = append(e.out, b)
		if b == 0xff {
			e.out = append(e.out, 0)
		}
		e.bits <<= 8
	}
}
