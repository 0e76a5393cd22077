package jpeg

// The inverse cosine transform of Loeffler, Ligtenberg and Moschytz (1989) in whole numbers, with
// the precision and the rounding of libjpeg's "slow" one, which is its default: constants of 13
// bits, 2 more bits between the passes.
const (
	fixBits  = 13
	passBits = 2

	fix0298 = 2446
	fix0390 = 3196
	fix0541 = 4433
	fix0765 = 6270
	fix0899 = 7373
	fix1175 = 9633
	fix1501 = 12299
	fix1847 = 15137
	fix1961 = 16069
	fix2053 = 16819
	fix2562 = 20995
	fix3072 = 25172
)

// inverseDCT turns the coefficients of a block, row by row, into 8 rows of 8 samples, and clears
// the block.
func inverseDCT(b *[64]int32, out []uint8, stride int) {
	for x := range 8 {
		if b[8+x]|b[16+x]|b[24+x]|b[32+x]|b[40+x]|b[48+x]|b[56+x] == 0 {
			v := b[x] << passBits
			for y := range 8 {
				b[8*y+x] = v
			}
			continue
		}
		e0, e1, e2, e3 := evenPart(b[x], b[16+x], b[32+x], b[48+x])
		o0, o1, o2, o3 := oddPart(b[8+x], b[24+x], b[40+x], b[56+x])
		const shift, half = fixBits - passBits, 1 << (fixBits - passBits - 1)
		b[x], b[56+x] = (e0+o0+half)>>shift, (e0-o0+half)>>shift
		b[8+x], b[48+x] = (e1+o1+half)>>shift, (e1-o1+half)>>shift
		b[16+x], b[40+x] = (e2+o2+half)>>shift, (e2-o2+half)>>shift
		b[24+x], b[32+x] = (e3+o3+half)>>shift, (e3-o3+half)>>shift
	}
	for y := range 8 {
		r := (*[8]int32)(b[8*y:])
		row := (*[8]uint8)(out[y*stride:])
		if r[1]|r[2]|r[3]|r[4]|r[5]|r[6]|r[7] == 0 {
			const shift = passBits + 3
			v := clamp((r[0]+1<<(shift-1))>>shift + 128)
			*row = [8]uint8{v, v, v, v, v, v, v, v}
			continue
		}
		e0, e1, e2, e3 := evenPart(r[0], r[2], r[4], r[6])
		o0, o1, o2, o3 := oddPart(r[1], r[3], r[5], r[7])
		const shift, half = fixBits + passBits + 3, 1 << (fixBits + passBits + 2)
		row[0], row[7] = clamp((e0+o0+half)>>shift+128), clamp((e0-o0+half)>>shift+128)
		row[1], row[6] = clamp((e1+o1+half)>>shift+128), clamp((e1-o1+half)>>shift+128)
		row[2], row[5] = clamp((e2+o2+half)>>shift+128), clamp((e2-o2+half)>>shift+128)
		row[3], row[4] = clamp((e3+o3+half)>>shift+128), clamp((e3-o3+half)>>shift+128)
	}
	*b = [64]int32{}
}

// evenPart and oddPart are the halves of a transform of eight, scaled by 2^fixBits: sample i is the
// sum of their i-th results, sample 7-i the difference.
func evenPart(c0, c2, c4, c6 int32) (int32, int32, int32, int32) {
	z := (c2 + c6) * fix0541
	t2, t3 := z-c6*fix1847, z+c2*fix0765
	t0, t1 := (c0+c4)<<fixBits, (c0-c4)<<fixBits
	return t0 + t3, t1 + t2, t1 - t2, t0 - t3
}

func oddPart(c1, c3, c5, c7 int32) (int32, int32, int32, int32) {
	z5 := (c7 + c3 + c5 + c1) * fix1175
	z1, z2 := (c7+c1)*fix0899, (c5+c3)*fix2562
	z3, z4 := z5-(c7+c3)*fix1961, z5-(c5+c1)*fix0390
	return c1*fix1501 - z1 + z4, c3*fix3072 - z2 + z3, c5*fix2053 - z2 + z4, c7*fix0298 - z1 + z3
}

func clamp(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^(v >> 31))
	}
	return uint8(v)
}
