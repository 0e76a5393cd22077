package jpeg

// CodeRow codes a row of blocks with quantisation steps of 1, as files of quality 100 have them,
// and decodes it again, with the rounding of libjpeg's default transforms. The samples, 8 rows of
// width, a multiple of 8, are replaced. values, if not nil, receives the coefficients, laid out as
// in Coefficients.
func CodeRow(samples []uint8, width int, values []int16) {
	var block [64]int32
	for x := 0; x < width; x += 8 {
		for i := range block {
			block[i] = int32(samples[i/8*width+x+i%8]) - 128
		}
		forwardDCT(&block)
		for i, v := range block {
			// The transform's results are 8 times the coefficients.
			if v < 0 {
				v = -((4 - v) >> 3)
			} else {
				v = (v + 4) >> 3
			}
			block[i] = v
			if values != nil {
				values[i/8*width+x+i%8] = int16(v)
			}
		}
		inverseDCT(&block, samples[x:], width)
	}
}

// forwardDCT turns samples, less 128, into 8 times their coefficients, row by row. It is the
// transform of Loeffler, Ligtenberg and Moschytz (1989), with the precision and the rounding of
// libjpeg's "slow" one, which is its default.
func forwardDCT(b *[64]int32) {
	for y := range 8 {
		r := (*[8]int32)(b[8*y:])
		s0, s4, c := forwardParts(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
		r[0], r[4] = s0<<passBits, s4<<passBits
		const shift, half = fixBits - passBits, 1 << (fixBits - passBits - 1)
		for i, v := range c {
			r[forwardPlaces[i]] = (v + half) >> shift
		}
	}
	for x := range 8 {
		s0, s4, c := forwardParts(b[x], b[8+x], b[16+x], b[24+x], b[32+x], b[40+x], b[48+x], b[56+x])
		const small = 1 << (passBits - 1)
		b[x], b[32+x] = (s0+small)>>passBits, (s4+small)>>passBits
		const shift, half = fixBits + passBits, 1 << (fixBits + passBits - 1)
		for i, v := range c {
			b[8*forwardPlaces[i]+x] = (v + half) >> shift
		}
	}
}

// forwardPlaces are the frequencies of forwardParts' last results.
var forwardPlaces = [6]int{1, 2, 3, 5, 6, 7}

// forwardParts is the transform of eight samples: the coefficients 0 and 4, and the others scaled
// by 2^fixBits, in the order of forwardPlaces.
func forwardParts(d0, d1, d2, d3, d4, d5, d6, d7 int32) (s0, s4 int32, c [6]int32) {
	a0, a1, a2, a3 := d0+d7, d1+d6, d2+d5, d3+d4
	t4, t5, t6, t7 := d3-d4, d2-d5, d1-d6, d0-d7
	even, odd := a0+a3, a0-a3
	inner, outer := a1+a2, a1-a2
	z := (outer + odd) * fix0541

	z5 := (t4 + t6 + t5 + t7) * fix1175
	z1, z2 := -(t4+t7)*fix0899, -(t5+t6)*fix2562
	z3, z4 := z5-(t4+t6)*fix1961, z5-(t5+t7)*fix0390
	return even + inner, even - inner, [6]int32{
		t7*fix1501 + z1 + z4, z + odd*fix0765, t6*fix3072 + z2 + z3,
		t5*fix2053 + z2 + z4, z - outer*fix1847, t4*fix0298 + z1 + z3,
	}
}
