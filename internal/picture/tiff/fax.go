package tiff

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Codes of ITU-T T.4, tables 2 and 3: runs of 0 to 63, then of 64, 128, ... 1728.
const (
	whiteCodes = `00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101
101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100 0011000 00000010 00000011
00011010 00011011 00010010 00010011 00010100 00010101 00010110 00010111 00101000 00101001 00101010 00101011 00101100
00101101 00000100 00000101 00001010 00001011 01010010 01010011 01010100 01010101 00100100 00100101 01011000 01011001
01011010 01011011 01001010 01001011 00110010 00110011 00110100
11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000 01100111 011001100 011001101 011010010
011010011 011010100 011010101 011010110 011010111 011011000 011011001 011011010 011011011 010011000 010011001 010011010
011000 010011011`
	blackCodes = `0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111
000011000 0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111 00000101000 00000010111
00000011000 000011001010 000011001011 000011001100 000011001101 000001101000 000001101001 000001101010 000001101011
000011010010 000011010011 000011010100 000011010101 000011010110 000011010111 000001101100 000001101101 000011011010
000011011011 000001010100 000001010101 000001010110 000001010111 000001100100 000001100101 000001010010 000001010011
000000100100 000000110111 000000111000 000000100111 000000101000 000001011000 000001011001 000000101011 000000101100
000001011010 000001100110 000001100111
0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 000000110101 0000001101100 0000001101101
0000001001010 0000001001011 0000001001100 0000001001101 0000001110010 0000001110011 0000001110100 0000001110101
0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 0000001010101 0000001011010 0000001011011
0000001100100 0000001100101`
	// longCodes are runs of 1792, 1856, ... 2560 of both colours.
	longCodes = `00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101 000000010110
000000010111 000000011100 000000011101 000000011110 000000011111`
	// modeCodes are pass, horizontal, and vertical with a shift of 0, 1, 2, 3, -1, -2, -3 (T.4,
	// table 4).
	modeCodes = `0001 001 1 011 000011 0000011 010 000010 0000010`
)

// faxTable gives for the next 13 bits the meaning and the length of the code that they begin with;
// length 0: none.
type faxTable [1 << faxBits]struct {
	value  int16
	length uint8
}

const faxBits = 13

// add enters codes whose meanings begin at first and grow by step.
func (t *faxTable) add(codes string, first, step int) {
	for i, code := range strings.Fields(codes) {
		at := 0
		for _, c := range code {
			at = at<<1 | int(c-'0')
		}
		free := faxBits - len(code)
		for k := range 1 << free {
			t[at<<free|k].value, t[at<<free|k].length = int16(first+i*step), uint8(len(code))
		}
	}
}

// faxRuns has the runs of white and of black pixels, faxModes the modes of two-dimensional coding.
var faxRuns, faxModes = func() (runs [2]faxTable, modes faxTable) {
	for i, codes := range []string{whiteCodes, blackCodes} {
		all := strings.Fields(codes)
		runs[i].add(strings.Join(all[:64], " "), 0, 1)
		runs[i].add(strings.Join(all[64:], " "), 64, 64)
		runs[i].add(longCodes, 1792, 64)
	}
	modes.add(modeCodes, 0, 1)
	return runs, modes
}()

// Modes, in the order of modeCodes.
const (
	modePass = iota
	modeHorizontal
	modeVertical // and the six after it
)

var verticalShift = [7]int{0, 1, 2, 3, -1, -2, -3}

// Kinds of fax coding: compression 2, 3 and 4.
const (
	faxModified = 2
	faxGroup3   = 3
	faxGroup4   = 4
)

// fax decodes rows of black and white pixels.
type fax struct {
	data      []byte
	at        int // next bit
	kind      int
	twoDim    bool // Group 3: rows may be coded two-dimensionally
	width     int
	reference []int // where the colour changes in the row before, ends with width
	current   []int
	rows      int
}

func newFax(data []byte, kind, width int, twoDim bool) *fax {
	return &fax{data: data, kind: kind, width: width, twoDim: twoDim, reference: []int{width}}
}

func (f *fax) taken() int { return f.at / 8 }

// peek returns the next n bits, at most 16; zeros follow the end.
func (f *fax) peek(n int) int {
	v, at := 0, f.at>>3
	for i := range 3 {
		v <<= 8
		if at+i < len(f.data) {
			v |= int(f.data[at+i])
		}
	}
	return v >> (24 - n - f.at&7) & (1<<n - 1)
}

// fail says what is wrong in the row that is being read.
func (f *fax) fail(what string) error {
	if f.at >= 8*len(f.data) {
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("row %d of a fax code: %s", f.rows, what)
}

// Read decodes one row into packed bits, 1 for black; the highest bit of a byte comes first.
func (f *fax) Read(row []byte) (int, error) {
	if err := f.decodeRow(); err != nil {
		return 0, err
	}
	clear(row)
	for i := 0; i+1 < len(f.current); i += 2 {
		setBits(row, f.current[i], f.current[i+1])
	}
	f.reference, f.current = f.current, f.reference[:0]
	f.rows++
	return len(row), nil
}

// setBits sets the bits from a to b, without b.
func setBits(row []byte, a, b int) {
	for ; a < b && a&7 != 0; a++ {
		row[a>>3] |= 0x80 >> (a & 7)
	}
	for ; a+8 <= b; a += 8 {
		row[a>>3] = 0xff
	}
	for ; a < b; a++ {
		row[a>>3] |= 0x80 >> (a & 7)
	}
}

// decodeRow reads the places in a row where the colour changes, the first from white to black.
func (f *fax) decodeRow() error {
	f.current = f.current[:0]
	var err error
	switch f.kind {
	case faxModified:
		f.at = (f.at + 7) &^ 7 // each row begins at a byte
		err = f.oneDimension()
	case faxGroup3:
		f.skipEOL()
		if f.twoDim {
			tag := f.peek(1)
			f.at++
			if tag == 0 {
				err = f.twoDimensions()
				break
			}
		}
		err = f.oneDimension()
	default:
		err = f.twoDimensions()
	}
	if err != nil {
		return err
	}
	for len(f.current)%2 == 1 || len(f.current) == 0 || f.current[len(f.current)-1] < f.width {
		f.current = append(f.current, f.width)
	}
	return nil
}

// skipEOL passes an end-of-line code (eleven zeros or more, and a one), if one is next.
func (f *fax) skipEOL() {
	at := f.at
	for f.at < 8*len(f.data) && f.peek(1) == 0 {
		f.at++
	}
	if f.at-at < 11 {
		f.at = at
		return
	}
	f.at++
}

// run reads the length of a run of one colour.
func (f *fax) run(colour int) (int, error) {
	total := 0
	for {
		e := faxRuns[colour][f.peek(faxBits)]
		if e.length == 0 {
			return 0, f.fail("a code that does not exist")
		}
		if f.at += int(e.length); f.at > 8*len(f.data) {
			return 0, io.ErrUnexpectedEOF
		}
		if total += int(e.value); total > f.width {
			return 0, f.fail("a run beyond the end of the row")
		}
		if e.value < 64 {
			return total, nil
		}
	}
}

// oneDimension reads runs of alternating colours.
func (f *fax) oneDimension() error {
	for at, colour := 0, 0; at < f.width; colour ^= 1 {
		n, err := f.run(colour)
		if err != nil {
			return err
		}
		if at += n; at > f.width {
			return f.fail("a run beyond the end of the row")
		}
		f.current = append(f.current, at)
	}
	return nil
}

var errFaxEnd = errors.New("fax code ends before the last row")

// twoDimensions reads changes relative to those of the row before.
func (f *fax) twoDimensions() error {
	at, colour, k := -1, 0, 0
	for at < f.width {
		e := faxModes[f.peek(faxBits)]
		if e.length == 0 {
			if f.peek(12) == 1 { // end of the block
				return errFaxEnd
			}
			return f.fail("a mode that does not exist")
		}
		if f.at += int(e.length); f.at > 8*len(f.data) {
			return io.ErrUnexpectedEOF
		}
		// b1 is the first change of the row before that is right of at and to the opposite colour,
		// b2 the next.
		k = max(k-3, 0)
		for f.change(k) <= at && f.change(k) < f.width || k&1 != colour {
			k++
		}
		b1, b2 := f.change(k), f.change(k+1)
		switch e.value {
		case modePass:
			at = b2
		case modeHorizontal:
			at = max(at, 0)
			for i := range 2 {
				n, err := f.run(colour ^ i)
				if err != nil {
					return err
				}
				if at += n; at > f.width {
					return f.fail("a run beyond the end of the row")
				}
				f.current = append(f.current, at)
			}
		default:
			to := b1 + verticalShift[e.value-modeVertical]
			if to < max(at, 0) || to > f.width {
				return f.fail("a change outside the row")
			}
			at = to
			f.current = append(f.current, at)
			colour ^= 1
		}
	}
	return nil
}

// change is where the colour changes for the k-th time in the row before.
func (f *fax) change(k int) int {
	if k < len(f.reference) {
		return f.reference[k]
	}
	return f.width
}
