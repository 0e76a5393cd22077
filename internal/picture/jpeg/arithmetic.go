package jpeg

import "io"

// arithmetic decodes the binary decisions of an arithmetically coded scan (ITU-T T.81, annex D, and
// F.2.4), with the registers of libjpeg: c holds the code, of which a-c is compared, shifted by ct
// bits.
type arithmetic struct {
	*bits
	c, a, ct int
	dc       [4][64]uint8  // states by table; the high bit is the more probable decision
	ac       [4][256]uint8 // of each decision
	fixed    uint8         // a state with even chances
	broken   bool          // nothing more is decoded up to the next restart marker
	end      bool          // a marker is next: zeros follow
}

// conditioning has the parameters of the DAC segment (T.81, B.2.4.3), with their defaults.
type conditioning struct {
	low, high [4]int
	ac        [4]int
}

var defaultConditioning = conditioning{high: [4]int{1, 1, 1, 1}, ac: [4]int{5, 5, 5, 5}}

// conditionings reads a DAC segment.
func (d *decoder) conditionings(b []byte) error {
	for ; len(b) >= 2; b = b[2:] {
		class, slot, v := b[0]>>4, b[0]&15, int(b[1])
		switch {
		case class > 1 || slot > 3:
			return errConditioning
		case class == 1:
			d.conditioning.ac[slot] = v
		case v&15 > v>>4:
			return errConditioning
		default:
			d.conditioning.low[slot], d.conditioning.high[slot] = v&15, v>>4
		}
	}
	if len(b) != 0 {
		return errConditioning
	}
	return nil
}

// reset begins a scan or what follows a restart marker.
func (a *arithmetic) reset() {
	b := a.bits
	*a = arithmetic{bits: b, ct: -16, fixed: 113}
}

// fetch returns the next byte of the code; zeros follow a marker.
func (a *arithmetic) fetch() (int, error) {
	if a.end {
		return 0, nil
	}
	if a.at >= len(a.data) {
		return 0, io.ErrUnexpectedEOF
	}
	v := a.data[a.at]
	if v != 0xff {
		a.at++
		return int(v), nil
	}
	k := a.at + 1
	for k < len(a.data) && a.data[k] == 0xff {
		k++
	}
	if k >= len(a.data) {
		return 0, io.ErrUnexpectedEOF
	}
	if a.data[k] == 0 {
		a.at = k + 1
		return 0xff, nil
	}
	a.end = true
	return 0, nil
}

// decide decodes one decision and adapts its state (T.81, D.2.4 to D.2.6).
func (a *arithmetic) decide(state *uint8) (int, error) {
	for a.a < 0x8000 {
		if a.ct--; a.ct < 0 {
			v, err := a.fetch()
			if err != nil {
				return 0, err
			}
			a.c = a.c<<8 | v
			if a.ct += 8; a.ct < 0 {
				if a.ct++; a.ct == 0 {
					a.a = 0x8000
				}
			}
		}
		a.a <<= 1
	}
	s := *state
	e := &estimates[s&0x7f]
	likely := s & 0x80
	after := func(unlikely bool) {
		if unlikely {
			*state = likely ^ e.unlikely
		} else {
			*state = likely ^ e.likely
		}
	}
	bit := likely
	a.a -= e.size
	switch limit := a.a << a.ct; {
	case a.c >= limit:
		a.c -= limit
		exchanged := a.a < e.size
		if a.a = e.size; !exchanged {
			bit ^= 0x80
		}
		after(!exchanged)
	case a.a < 0x8000:
		exchanged := a.a < e.size
		if exchanged {
			bit ^= 0x80
		}
		after(exchanged)
	}
	return int(bit >> 7), nil
}

// magnitude decodes how large a coefficient is: the category's bits and then the others below it
// (T.81, figures F.23 and F.24). states are those of the categories from 2 on; first is the one of
// category 1.
func (a *arithmetic) magnitude(table []uint8, first, states int, ac bool) (m, v int, err error) {
	at := first
	if m, err = a.decide(&table[at]); err != nil {
		return 0, 0, err
	}
	if m != 0 && ac {
		more, err := a.decide(&table[at])
		if err != nil {
			return 0, 0, err
		}
		if more == 0 {
			return a.lowBits(table, at, m)
		}
		m <<= 1
	}
	if m != 0 {
		at = states
		for {
			more, err := a.decide(&table[at])
			if err != nil {
				return 0, 0, err
			}
			if more == 0 {
				break
			}
			if m <<= 1; m == 0x8000 {
				return 0, 0, a.fail()
			}
			at++
		}
	}
	return a.lowBits(table, at, m)
}

func (a *arithmetic) lowBits(table []uint8, at, m int) (int, int, error) {
	v := m
	for bit := m >> 1; bit != 0; bit >>= 1 {
		set, err := a.decide(&table[at+14])
		if err != nil {
			return 0, 0, err
		}
		if set != 0 {
			v |= bit
		}
	}
	return m, v + 1, nil
}

// fail notes a code that can't be; libjpeg leaves the blocks up to the next restart marker as they
// are.
func (a *arithmetic) fail() error {
	a.warnings.Warn("damaged arithmetic code")
	a.broken = true
	return errBroken
}

// arithmeticDC decodes a DC difference and adds it up (T.81, F.1.4.4.1).
func (s *scan) arithmeticDC(p *scanPart) (int32, error) {
	a := s.arithmetic
	table := a.dc[p.dcSlot][:]
	at := p.context
	changes, err := a.decide(&table[at])
	if err != nil {
		return 0, err
	}
	if changes == 0 {
		p.context = 0
		return p.sum, nil
	}
	sign, err := a.decide(&table[at+1])
	if err != nil {
		return 0, err
	}
	m, v, err := a.magnitude(table, at+2+sign, 20, false)
	if err != nil {
		return 0, err
	}
	switch c := &s.d.conditioning; {
	case m < 1<<c.low[p.dcSlot]>>1:
		p.context = 0
	case m > 1<<c.high[p.dcSlot]>>1:
		p.context = 12 + 4*sign
	default:
		p.context = 4 + 4*sign
	}
	if sign != 0 {
		v = -v
	}
	p.sum = int32(int16(p.sum + int32(v)))
	return p.sum, nil
}

// arithmeticAC decodes the coefficients of a block from first to last and hands them to put (T.81,
// F.1.4.4.2).
func (s *scan) arithmeticAC(p *scanPart, first, last int, put func(k, v int)) error {
	a := s.arithmetic
	table := a.ac[p.acSlot][:]
	for k := first; k <= last; k++ {
		end, err := a.decide(&table[3*(k-1)])
		if err != nil || end != 0 {
			return err
		}
		for {
			found, err := a.decide(&table[3*(k-1)+1])
			if err != nil {
				return err
			}
			if found != 0 {
				break
			}
			if k++; k > last {
				return a.fail()
			}
		}
		sign, err := a.decide(&a.fixed)
		if err != nil {
			return err
		}
		states := 217
		if k <= s.d.conditioning.ac[p.acSlot] {
			states = 189
		}
		_, v, err := a.magnitude(table, 3*(k-1)+2, states, true)
		if err != nil {
			return err
		}
		if sign != 0 {
			v = -v
		}
		put(k, v)
	}
	return nil
}

// arithmeticBlock decodes the block in column x and row y of a component.
func (s *scan) arithmeticBlock(p *scanPart, x, y int) error {
	if s.arithmetic.broken {
		if !s.d.progressive {
			p.samples(new([64]int32), x, y)
		}
		return nil
	}
	err := s.arithmeticDecisions(p, x, y)
	if err == errBroken { //nolint:errorlint // is returned as it is
		return nil
	}
	return err
}

func (s *scan) arithmeticDecisions(p *scanPart, x, y int) error {
	if !s.d.progressive {
		var block [64]int32
		kept := p.coefficients(x, y)
		put := func(k, v int) {
			block[unzigzag[k]] = int32(int16(v)) * p.quant[k]
			if kept != nil {
				kept[k] = int16(v)
			}
		}
		dc, err := s.arithmeticDC(p)
		if err == nil {
			put(0, int(dc))
			err = s.arithmeticAC(p, 1, 63, put)
		}
		p.samples(&block, x, y)
		return err
	}
	coef := p.coefficients(x, y)
	switch {
	case s.first == 0 && s.high == 0:
		dc, err := s.arithmeticDC(p)
		if err == nil {
			coef[0] = int16(dc << s.low)
		}
		return err
	case s.first == 0:
		more, err := s.arithmetic.decide(&s.arithmetic.fixed)
		if more != 0 {
			coef[0] |= 1 << s.low
		}
		return err
	case s.high == 0:
		return s.arithmeticAC(p, s.first, s.last, func(k, v int) { coef[k] = int16(v << s.low) })
	}
	return s.arithmeticRefine(p, coef)
}

// arithmeticRefine brings one more bit of coefficients (T.81, G.1.3.3).
func (s *scan) arithmeticRefine(p *scanPart, coef *[64]int16) error {
	a := s.arithmetic
	table := a.ac[p.acSlot][:]
	one := int16(1) << s.low
	end := s.last // of the coefficients that there are so far
	for end > 0 && coef[end] == 0 {
		end--
	}
	for k := s.first; k <= s.last; k++ {
		if k > end {
			done, err := a.decide(&table[3*(k-1)])
			if err != nil || done != 0 {
				return err
			}
		}
		for coef[k] == 0 {
			found, err := a.decide(&table[3*(k-1)+1])
			if err != nil {
				return err
			}
			if found != 0 {
				break
			}
			if k++; k > s.last {
				return a.fail()
			}
		}
		if err := s.arithmeticBit(&table[3*(k-1)+2], &coef[k], one); err != nil {
			return err
		}
	}
	return nil
}

// arithmeticBit refines a nonzero coefficient, or decodes the sign of a new one.
func (s *scan) arithmeticBit(state *uint8, coef *int16, one int16) error {
	a := s.arithmetic
	if *coef == 0 {
		negative, err := a.decide(&a.fixed)
		if *coef = one; negative != 0 {
			*coef = -one
		}
		return err
	}
	more, err := a.decide(state)
	switch {
	case more == 0:
	case *coef < 0:
		*coef -= one
	default:
		*coef += one
	}
	return err
}
