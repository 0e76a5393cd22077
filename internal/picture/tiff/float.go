package tiff

import (
	"fmt"
	"math"
)

// prepareFloat looks for the largest value, which tells the scale of floating-point samples: 0 to
// 1, to 255 or to 65535.
func (p *painter) prepareFloat() error {
	n := p.layout.samples
	most := 0.0
	look := func(_ []uint8, row []byte) {
		for i := range p.partWidth {
			for c := range p.colours {
				if v := p.float(row, i*n+c); v > most && !math.IsInf(v, 1) {
					most = v
				}
			}
		}
	}
	for i := range p.across * p.down {
		if err := p.part(i%p.across, i/p.across, look); err != nil {
			return fmt.Errorf("%s %d: %w", p.partName(), i+1, err)
		}
	}
	white := 0.0
	for _, w := range []float64{1, 255, 65535} {
		if most <= w {
			white = w
			break
		}
	}
	if white == 0 {
		return fmt.Errorf("floating-point samples up to %g, which fit none of the scales to 1, 255 and 65535", most)
	}
	p.image.Warn("floating-point samples up to %.4g are taken to be on a scale from 0 to %g", most, white)
	p.convert = func(out []uint8, row []byte) {
		for i := range len(out) / p.channels {
			for c := range p.channels {
				v := p.float(row, i*n+c) * 255 / white
				if math.IsNaN(v) {
					v = 0
				}
				out[i*p.channels+c] = uint8(min(max(v+0.5, 0), 255))
			}
		}
	}
	return nil
}

// float reads the i-th floating-point sample of a row.
func (p *painter) float(row []byte, i int) float64 {
	switch p.bits {
	case 16:
		return half(p.order.Uint16(row[2*i:]))
	case 32:
		return float64(math.Float32frombits(p.order.Uint32(row[4*i:])))
	}
	return math.Float64frombits(p.order.Uint64(row[8*i:]))
}

// half is a floating-point number of 16 bits (IEEE 754).
func half(v uint16) float64 {
	sign, exponent, fraction := 1-2*float64(v>>15), int(v>>10&31), float64(v&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
