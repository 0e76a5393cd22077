package weights

import "math"

// FromHalf returns the value of an IEEE 754 half-precision number, exactly.
func FromHalf(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent := uint32(h>>10) & 0x1f
	fraction := uint32(h & 0x3ff)
	switch exponent {
	case 0: // zero and subnormals: fraction * 2^-24, exact in float32
		v := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(v))
	case 0x1f: // infinity, or not a number with its payload
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// ToHalf rounds to the nearest half-precision number, ties to even. Values beyond the range become
// infinite; NaN stays NaN.
func ToHalf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign := uint16(bits>>16) & 0x8000
	magnitude := bits & 0x7fffffff
	switch {
	case magnitude > 0x7f800000:
		// The quiet bit is set so that a payload lost in the shift does not
		// leave an infinity.
		return sign | 0x7e00 | uint16(magnitude>>13)&0x3ff
	case magnitude >= 0x477ff000: // 65520, halfway from the largest half to 2^16
		return sign | 0x7c00
	case magnitude < 0x38800000: // below 2^-14: subnormal
		// float32 numbers from 0.5 on have steps of 2^-24, so the addition rounds as required and
		// leaves the number of steps in the low bits.
		return sign | uint16(math.Float32bits(math.Float32frombits(magnitude)+0.5)-0x3f000000)
	}
	// Half the dropped step, less one unless the kept part is odd: ties go to
	// even. A carry runs into the exponent, which is what rounding up means.
	rounded := magnitude + 0xfff + (magnitude>>13)&1
	return sign | uint16((rounded-(127-15)<<23)>>13)
}

// FromBFloat16 returns the value of a bfloat16 number, exactly: it is the upper half of a float32.
func FromBFloat16(b uint16) float32 {
	return math.Float32frombits(uint32(b) << 16)
}
