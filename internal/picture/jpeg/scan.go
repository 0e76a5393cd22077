package jpeg

import (
	"errors"
	"fmt"
)

// unzigzag is the index in a block, row by row, of the k-th coefficient in a file.
var unzigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// scan is one pass over some components.
type scan struct {
	bits
	d           *decoder
	parts       []scanPart
	first, last int         // coefficients that a progressive scan is about
	high, low   int         // bit positions: before, and after this scan
	endOfBands  int         // blocks still to come without new coefficients
	arithmetic  *arithmetic // nil for Huffman codes
}

// scanPart is a component's part in a scan.
type scanPart struct {
	*component
	dc, ac         *huffman
	dcSlot, acSlot byte  // of arithmetic statistics
	sum            int32 // of the differences so far
	context        int   // what the last difference was like, for arithmetic codes
}

// scan reads a scan header and its blocks.
func (d *decoder) scan(b []byte) error {
	if d.components == nil {
		return errors.New("a scan comes before the frame header")
	}
	if d.scans++; d.scans > maxScans {
		return fmt.Errorf("more than %d scans", maxScans)
	}
	s, err := d.newScan(b)
	if err != nil {
		return err
	}
	if err := d.spend(d.scanBlocks(b)); err != nil {
		return err
	}
	if err := s.run(); err != nil {
		return err
	}
	d.at = s.at
	for _, p := range s.parts {
		for k := s.first; k <= s.last; k++ {
			p.missing[k] = int8(s.low)
		}
	}
	return nil
}

func (d *decoder) newScan(b []byte) (*scan, error) {
	if len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] < 1 || b[0] > 4 {
		return nil, fmt.Errorf("scan header of %d bytes", len(b))
	}
	count := int(b[0])
	tail := b[1+2*count:]
	s := &scan{bits: bits{data: d.data, at: d.at, warnings: &d.picture.Warnings}, d: d, first: int(tail[0]), last: int(tail[1]), high: int(tail[2] >> 4), low: int(tail[2] & 15)}
	if !d.progressive {
		s.first, s.last, s.high, s.low = 0, 63, 0, 0
	}
	mixed := d.progressive && (s.first == 0) != (s.last == 0)
	if s.first > s.last || s.last > 63 || s.low > 13 || s.high > 14 || mixed || s.first > 0 && count > 1 {
		return nil, fmt.Errorf("a scan of coefficients %d to %d, bits %d to %d, of %d components", s.first, s.last, s.high, s.low, count)
	}
	if d.arithmetic {
		s.arithmetic = &arithmetic{bits: &s.bits}
		s.arithmetic.reset()
	} else if !d.progressive {
		if err := d.standardTables(); err != nil {
			return nil, err
		}
	}
	for i := range count {
		part, err := d.scanPart(b[1+2*i], b[2+2*i], s)
		if err != nil {
			return nil, err
		}
		for _, other := range s.parts {
			if other.component == part.component {
				return nil, errors.New("a scan has a component twice")
			}
		}
		s.parts = append(s.parts, part)
	}
	return s, nil
}

// scanPart finds a component and its tables.
func (d *decoder) scanPart(id, tables byte, s *scan) (scanPart, error) {
	for i := range d.components {
		c := &d.components[i]
		if c.id != id {
			continue
		}
		if tables>>4 > 3 || tables&15 > 3 {
			return scanPart{}, errHuffman
		}
		p := scanPart{component: c, dc: d.huffman[0][tables>>4], ac: d.huffman[1][tables&15], dcSlot: tables >> 4, acSlot: tables & 15}
		if !d.arithmetic && (s.first == 0 && s.high == 0 && p.dc == nil || s.last > 0 && p.ac == nil) {
			return p, errors.New("a scan needs a Huffman table that is missing")
		}
		if c.quant == nil {
			if c.quant = d.quant[c.table]; c.quant == nil {
				return p, errors.New("a component's quantisation table is missing")
			}
		}
		c.seen = c.seen || s.first == 0
		return p, nil
	}
	return scanPart{}, fmt.Errorf("a scan of component %d, which is not in the frame", id)
}

// run decodes all blocks: those of several components by MCU, those of a single one row by row
// without padding blocks.
func (s *scan) run() error {
	across, down := s.d.mcusX, s.d.mcusY
	single := len(s.parts) == 1
	for i := range s.d.components {
		if plane := s.d.picture.Planes[i]; single && s.parts[0].component == &s.d.components[i] {
			across, down = ceil(plane.Width, 8), ceil(plane.Height, 8)
		}
	}
	blocks := 0 // of an MCU
	for _, p := range s.parts {
		blocks += p.h * p.v
	}
	if single {
		blocks = 1
	}
	for mcu := range across * down {
		if mcu%max(checkBlocks/blocks, 1) == 0 {
			if err := s.d.ctx.Err(); err != nil {
				return err
			}
		}
		if s.d.interval > 0 && mcu > 0 && mcu%s.d.interval == 0 {
			if err := s.restartAt(mcu/s.d.interval - 1); err != nil {
				return err
			}
		}
		x, y := mcu%across, mcu/across
		// Like libjpeg, decode the unit in which bits run out from zeros, and leave out those after
		// it.
		skip := s.starved
		if skip && s.d.progressive {
			if s.d.interval == 0 {
				return nil
			}
			continue
		}
		for i := range s.parts {
			p := &s.parts[i]
			if single {
				if err := s.block(p, x, y, skip); err != nil {
					return err
				}
				continue
			}
			for k := range p.h * p.v {
				if err := s.block(p, x*p.h+k%p.h, y*p.v+k/p.h, skip); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// restartAt passes the i-th restart marker, which resets the predictions.
func (s *scan) restartAt(i int) error {
	s.endOfBands = 0
	for k := range s.parts {
		s.parts[k].sum, s.parts[k].context = 0, 0
	}
	err := s.restart(i % 8)
	if s.arithmetic != nil {
		s.arithmetic.reset()
	}
	return err
}

// block decodes the block in column x and row y of a component; skip leaves it grey.
func (s *scan) block(p *scanPart, x, y int, skip bool) error {
	if s.arithmetic != nil {
		return s.arithmeticBlock(p, x, y)
	}
	if skip {
		p.samples(new([64]int32), x, y)
		return nil
	}
	if !s.d.progressive {
		return s.baseline(p, x, y)
	}
	coef := p.coefficients(x, y)
	switch {
	case s.first == 0 && s.high == 0:
		dc, err := s.difference(p)
		coef[0] = int16(dc << s.low)
		return err
	case s.first == 0:
		more, err := s.bit()
		if more {
			coef[0] |= 1 << s.low
		}
		return err
	case s.high == 0:
		return s.firstAC(p, coef)
	}
	return s.refineAC(p, coef)
}

// difference decodes a DC coefficient's difference to the one before and adds it up.
func (s *scan) difference(p *scanPart) (int32, error) {
	size, err := s.symbol(p.dc)
	if err != nil || size == 0 {
		return p.sum, err
	}
	if size > 16 {
		return 0, errors.New("a coefficient of more than 16 bits")
	}
	diff, err := s.extended(int(size))
	p.sum += diff
	return p.sum, err
}

// baseline decodes a whole block and makes its samples.
func (s *scan) baseline(p *scanPart, x, y int) error {
	var block [64]int32
	dc, err := s.difference(p)
	if err != nil {
		return err
	}
	block[0] = int32(int16(dc)) * p.quant[0]
	kept := p.coefficients(x, y)
	if kept != nil {
		kept[0] = int16(dc)
	}
	for k := 1; k < 64; k++ {
		symbol, err := s.symbol(p.ac)
		if err != nil {
			return err
		}
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 {
			if run != 15 {
				break
			}
			k += 15
			continue
		}
		k += run
		v, err := s.extended(size)
		if err != nil {
			return err
		}
		at := s.place(k)
		block[unzigzag[at]] = v * p.quant[at]
		if kept != nil {
			kept[at] = int16(v)
		}
	}
	p.samples(&block, x, y)
	return nil
}

// place is k, or the last coefficient where damaged data goes beyond it, as in libjpeg.
func (s *scan) place(k int) int {
	if k > 63 {
		s.warnings.Warn("damaged before byte %d: too many coefficients in a block", s.at)
		return 63
	}
	return k
}

// bands reads the number of blocks, including this one, without further coefficients in the scan.
func (s *scan) bands(run int) error {
	s.endOfBands = 1 << run
	if run == 0 {
		return nil
	}
	if err := s.need(run); err != nil {
		return err
	}
	s.endOfBands += int(s.take(run))
	return nil
}

func (s *scan) firstAC(p *scanPart, coef *[64]int16) error {
	if s.endOfBands > 0 {
		s.endOfBands--
		return nil
	}
	for k := s.first; k <= s.last; k++ {
		symbol, err := s.symbol(p.ac)
		if err != nil {
			return err
		}
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 {
			if run == 15 {
				k += 15
				continue
			}
			err := s.bands(run)
			s.endOfBands--
			return err
		}
		k += run
		v, err := s.extended(size)
		if err != nil {
			return err
		}
		coef[s.place(k)] = int16(v << s.low)
	}
	return nil
}

// refineAC reads one more bit of the coefficients that are not zero, and new coefficients of 1 or
// -1 at that bit.
func (s *scan) refineAC(p *scanPart, coef *[64]int16) error {
	one := int16(1) << s.low
	k := s.first
	for s.endOfBands == 0 && k <= s.last {
		symbol, err := s.symbol(p.ac)
		if err != nil {
			return err
		}
		run, fresh := int(symbol>>4), int16(0)
		switch symbol & 15 {
		case 0:
			if run != 15 {
				if err := s.bands(run); err != nil {
					return err
				}
				continue // ends the loop: what is left of the block is only refined
			}
		default:
			if symbol&15 != 1 {
				s.warnings.Warn("damaged before byte %d: a new coefficient of more than one bit in a refining scan", s.at)
			}
			positive, err := s.bit()
			if err != nil {
				return err
			}
			if fresh = -one; positive {
				fresh = one
			}
		}
		if k, err = s.refine(coef, k, run, one); err != nil {
			return err
		}
		if fresh != 0 {
			coef[s.place(k)] = fresh
		}
		k++
	}
	if s.endOfBands > 0 {
		s.endOfBands--
		_, err := s.refine(coef, k, 64, one)
		return err
	}
	return nil
}

// refine refines coefficients from k on, skips run zeros, and returns the index of the next zero.
func (s *scan) refine(coef *[64]int16, k, run int, one int16) (int, error) {
	for ; k <= s.last; k++ {
		v := coef[k]
		if v == 0 {
			if run == 0 {
				break
			}
			run--
			continue
		}
		more, err := s.bit()
		if err != nil {
			return k, err
		}
		if more && v&one == 0 {
			if v > 0 {
				coef[k] += one
			} else {
				coef[k] -= one
			}
		}
	}
	return k, nil
}
