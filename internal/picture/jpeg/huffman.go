package jpeg

import (
	"errors"
	"io"
)

// huffman is a decoding table.
type huffman struct {
	// fast gives for the next lookup bits the symbol in the high and the code's length in the low
	// eight bits; 0 for codes that are longer.
	fast    [1 << lookup]uint16
	symbols []byte
	// For codes of each length: the smallest code that is larger than all of them, at 16 bits, and
	// what to add to a code to have its symbol's place.
	above  [17]int32
	offset [17]int32
}

const lookup = 9

var errHuffman = errors.New("damaged Huffman table")

// huffmanTables reads tables.
func (d *decoder) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 {
			return errHuffman
		}
		class, slot := b[0]>>4, b[0]&15
		total := 0
		for _, n := range b[1:17] {
			total += int(n)
		}
		if class > 1 || slot > 3 || total > 256 || len(b) < 17+total {
			return errHuffman
		}
		t, err := newHuffman(b[1:17], b[17:17+total])
		if err != nil {
			return err
		}
		d.huffman[class][slot] = t
		b = b[17+total:]
	}
	return nil
}

// newHuffman makes the table of a code from its number of symbols of each length, 1 to 16 bits.
func newHuffman(counts, symbols []byte) (*huffman, error) {
	t := &huffman{symbols: append([]byte{}, symbols...)}
	code, place := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		t.offset[length] = place - code
		if code+n > 1<<length {
			return nil, errHuffman
		}
		if length <= lookup {
			for i := range n {
				entry := uint16(symbols[place+i])<<8 | uint16(length)
				first := (code + i) << (lookup - length)
				for k := range int32(1) << (lookup - length) {
					t.fast[first+k] = entry
				}
			}
		}
		code, place = code+n, place+n
		t.above[length] = code << (16 - length)
		code <<= 1
	}
	return t, nil
}

// bits reads the entropy-coded bits of a scan.
type bits struct {
	data []byte
	at   int
	acc  uint64 // the next bits, from the highest on
	n    int    // how many of them there are
}

// fill reads bytes until there are more than 56 bits, or a marker or the end is reached.
func (b *bits) fill() {
	for b.n <= 56 && b.at < len(b.data) {
		v := b.data[b.at]
		if v == 0xff {
			if b.at+1 >= len(b.data) || b.data[b.at+1] != 0 {
				return
			}
			b.at++
		}
		b.at++
		b.acc |= uint64(v) << (56 - b.n)
		b.n += 8
	}
}

// need makes sure of n bits, at most 32.
func (b *bits) need(n int) error {
	if b.n < n {
		if b.fill(); b.n < n {
			return b.early()
		}
	}
	return nil
}

// early is the error of a scan whose bits end too soon.
func (b *bits) early() error {
	if b.at+1 >= len(b.data) {
		return io.ErrUnexpectedEOF
	}
	return errors.New("a scan ends before its last block")
}

// take takes n bits that need has made sure of, 1 to 16.
func (b *bits) take(n int) int32 {
	v := int32(b.acc >> (64 - n))
	b.acc <<= n
	b.n -= n
	return v
}

// bit takes one.
func (b *bits) bit() (bool, error) {
	if err := b.need(1); err != nil {
		return false, err
	}
	return b.take(1) != 0, nil
}

// extended takes n bits, 1 to 16, as the standard stores differences: the lower half of the numbers
// represents negative ones.
func (b *bits) extended(n int) (int32, error) {
	if err := b.need(n); err != nil {
		return 0, err
	}
	v := b.take(n)
	if v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v, nil
}

// symbol decodes one.
func (b *bits) symbol(t *huffman) (byte, error) {
	if b.n < 32 {
		b.fill()
	}
	if e := t.fast[b.acc>>(64-lookup)]; e != 0 {
		n := int(e & 0xff)
		if n > b.n {
			return 0, b.early()
		}
		b.acc <<= n
		b.n -= n
		return byte(e >> 8), nil
	}
	next := int32(b.acc >> 48)
	for length := lookup + 1; length <= 16; length++ {
		if next >= t.above[length] {
			continue
		}
		if length > b.n {
			return 0, b.early()
		}
		return t.symbols[b.take(length)+t.offset[length]], nil
	}
	if b.n < 16 {
		return 0, b.early()
	}
	return 0, errors.New("a code that its Huffman table does not have")
}

// restart continues after the i-th restart marker of the scan.
func (b *bits) restart(i int) error {
	b.acc, b.n = 0, 0
	for b.at+1 < len(b.data) && (b.data[b.at] != 0xff || b.data[b.at+1] == 0xff) {
		b.at++ // what padded the last byte, and fill bytes
	}
	if b.at+1 >= len(b.data) {
		return io.ErrUnexpectedEOF
	}
	if want := byte(markRST0 + i%8); b.data[b.at+1] != want {
		return errors.New("a restart marker is missing")
	}
	b.at += 2
	return nil
}
