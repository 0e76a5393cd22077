package tiff

import (
	"io"
	"math"

	"github.com/declip/declip/internal/picture/raster"
)

// converter chooses how rows of whole numbers become pixels.
func (p *painter) converter() func(out []uint8, row []byte) {
	if p.bits == 16 && (p.photometric == colourLab || p.photometric == colourICCLab) {
		return p.lab16
	}
	convert := p.colour()
	if p.bits == 8 {
		return convert
	}
	narrow := p.narrower()
	return func(out []uint8, row []byte) {
		narrow(row)
		convert(out, p.samples)
	}
}

// narrower returns what makes 8-bit samples of a row. Grey of 16 bits is divided by 257 and
// rounded; of colours of 16 bits the high byte is taken, as Pillow does.
func (p *painter) narrower() func(row []byte) {
	n := p.layout.samples
	switch {
	case p.bits == 16 && p.colours == 1:
		return func(row []byte) {
			for i := range p.samples {
				p.samples[i] = raster.From16(p.order.Uint16(row[2*i:]))
			}
		}
	case p.bits == 16:
		return func(row []byte) {
			for i := range p.samples {
				p.samples[i] = uint8(p.order.Uint16(row[2*i:]) >> 8)
			}
		}
	case p.bits == 32:
		return func(row []byte) {
			for i := range p.samples {
				p.samples[i] = raster.From16(uint16(p.order.Uint32(row[4*i:]) >> 16))
			}
		}
	}
	most := uint32(1)<<p.bits - 1
	return func(row []byte) {
		for i, at := 0, 0; i < p.partWidth*n; i, at = i+1, at+p.bits {
			v := packed(row, at, p.bits)
			if p.photometric != colourPalette {
				v = (v*255 + most/2) / most
			}
			p.samples[i] = uint8(v)
		}
	}
}

// packed reads n bits, 1 to 16, from a bit of the row on.
func packed(row []byte, at, n int) uint32 {
	v := uint32(0)
	for i := range 3 {
		v <<= 8
		if k := at>>3 + i; k < len(row) {
			v |= uint32(row[k])
		}
	}
	return v >> (24 - n - at&7) & (1<<n - 1)
}

// colour returns what converts a row of 8-bit samples to grey or RGB.
func (p *painter) colour() func(out, in []uint8) {
	n := p.layout.samples
	switch p.photometric {
	case whiteIsZero:
		return p.grey(n, 255)
	case blackIsZero, colourMask:
		return p.grey(n, 0)
	case colourPalette:
		return func(out, in []uint8) {
			for i, k := 0, 0; i+2 < len(out); i, k = i+3, k+n {
				copy(out[i:i+3], p.palette[in[k]][:])
			}
		}
	case colourInk:
		return func(out, in []uint8) {
			for i, k := 0, 0; i+2 < len(out); i, k = i+3, k+n {
				raster.FromInk(out[i:i+3], in[k:k+4])
			}
		}
	case colourYCbCr:
		if p.compression != compressionJPEG { // JPEG streams are converted already
			ycc := p.ycc()
			return func(out, in []uint8) {
				for i, k := 0, 0; i+2 < len(out); i, k = i+3, k+n {
					ycc(out[i:i+3], in[k], in[k+1], in[k+2])
				}
			}
		}
	case colourLab, colourICCLab:
		return p.lab8
	}
	return p.rgb(n)
}

// grey takes the first of n samples; flip is 255 where 0 is white.
func (p *painter) grey(n int, flip uint8) func(out, in []uint8) {
	return func(out, in []uint8) {
		for i := range out {
			v := in[i*n]
			if p.premultiplied {
				v = divide(v, in[i*n+1])
			}
			out[i] = v ^ flip
		}
	}
}

// rgb takes the first three of n samples.
func (p *painter) rgb(n int) func(out, in []uint8) {
	switch {
	case p.premultiplied:
		return func(out, in []uint8) {
			for i, k := 0, 0; i+2 < len(out); i, k = i+3, k+n {
				a := in[k+3]
				out[i], out[i+1], out[i+2] = divide(in[k], a), divide(in[k+1], a), divide(in[k+2], a)
			}
		}
	case n == 3:
		return func(out, in []uint8) { copy(out, in) }
	}
	return func(out, in []uint8) {
		for i, k := 0, 0; i+2 < len(out); i, k = i+3, k+n {
			out[i], out[i+1], out[i+2] = in[k], in[k+1], in[k+2]
		}
	}
}

// divide takes back the multiplication of a colour by alpha, as Pillow does: colours over alpha are
// clipped, and those without any alpha stay.
func divide(v, alpha uint8) uint8 {
	if alpha == 0 || alpha == 255 {
		return v
	}
	return uint8(min(255*int(v)/int(alpha), 255))
}

// ycc returns libtiff's conversion of YCbCr to RGB (TIFF 6.0, section 21), in its 16-bit fixed
// point.
func (p *painter) ycc() func(out []uint8, y, cb, cr uint8) {
	fix := func(v float64) int32 { return int32(v*65536 + 0.5) }
	red, green, blue := p.weights[0], p.weights[1], p.weights[2]
	if green == 0 {
		red, green, blue = 0.299, 0.587, 0.114
	}
	d1, d2 := fix(2-2*red), -fix(red*(2-2*red)/green)
	d3, d4 := fix(2-2*blue), -fix(blue*(2-2*blue)/green)
	var redOf, greenOfRed, blueOf, greenOfBlue, luma [256]int32
	level := func(code, black, white, full float64) float64 {
		if white == black {
			white = black + 1
		}
		return (code - black) * full / (white - black)
	}
	ref := p.references
	clip := func(v float64) int32 { return int32(min(max(v, -128*32), 128*32)) }
	for i := range luma {
		cr := clip(level(float64(i-128), ref[4]-128, ref[5]-128, 127))
		cb := clip(level(float64(i-128), ref[2]-128, ref[3]-128, 127))
		redOf[i], blueOf[i] = (d1*cr+32768)>>16, (d3*cb+32768)>>16
		greenOfRed[i], greenOfBlue[i] = d2*cr, d4*cb+32768
		luma[i] = clip(level(float64(i), ref[0], ref[1], 255))
	}
	clamp := func(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
	return func(out []uint8, y, cb, cr uint8) {
		l := luma[y]
		out[0] = clamp(l + redOf[cr])
		out[1] = clamp(l + (greenOfBlue[cb]+greenOfRed[cr])>>16)
		out[2] = clamp(l + blueOf[cb])
	}
}

// subsampledPart decodes a strip or tile of YCbCr units: some luma samples that share one pair of
// chroma samples.
func (p *painter) subsampledPart(i, rows int, out func(int) []uint8) error {
	dx, dy := p.subsampleX, p.subsampleY
	across, unit := (p.partWidth+dx-1)/dx, dx*dy+2
	r, err := p.layout.part(i)
	if err != nil {
		return err
	}
	row := make([]byte, across*unit)
	ycc := p.ycc()
	for top := 0; top < rows; top += dy {
		err := readFull(r, row)
		if err == nil {
			err = p.watch.Spend(len(row))
		}
		if err != nil {
			return err
		}
		for k := 0; k < dy && top+k < rows; k++ {
			o := out(top + k)
			for x := range len(o) / 3 {
				u := row[x/dx*unit:][:unit]
				ycc(o[3*x:3*x+3], u[k*dx+x%dx], u[unit-2], u[unit-1])
			}
		}
	}
	return p.settle([]io.Reader{r})
}

// lab8 and lab16 convert CIE L*a*b* (TIFF 6.0, section 23) and ICC L*a*b* (Adobe's technical
// notes).
func (p *painter) lab8(out, in []uint8) {
	n := p.layout.samples
	for i, k := 0, 0; i+2 < len(out); i, k = i+3, k+n {
		a, b := float64(int8(in[k+1])), float64(int8(in[k+2]))
		if p.photometric == colourICCLab {
			a, b = float64(in[k+1])-128, float64(in[k+2])-128
		}
		labToRGB(out[i:i+3], float64(in[k])*100/255, a, b)
	}
}

func (p *painter) lab16(out []uint8, row []byte) {
	n := p.layout.samples
	for i, k := 0, 0; i+2 < len(out); i, k = i+3, k+n {
		l, a, b := p.order.Uint16(row[2*k:]), p.order.Uint16(row[2*k+2:]), p.order.Uint16(row[2*k+4:])
		if p.photometric == colourICCLab {
			labToRGB(out[i:i+3], float64(l)*100/65280, float64(a)/256-128, float64(b)/256-128)
		} else {
			labToRGB(out[i:i+3], float64(l)*100/65535, float64(int16(a))/256, float64(int16(b))/256)
		}
	}
}

// labToRGB converts a colour relative to the white of D50 (L* from 0 to 100) to sRGB (IEC
// 61966-2-1).
func labToRGB(out []uint8, l, a, b float64) {
	fy := (l + 16) / 116
	inverse := func(t float64) float64 {
		if t > 6.0/29 {
			return t * t * t
		}
		return 3 * (6.0 / 29) * (6.0 / 29) * (t - 4.0/29)
	}
	x, y, z := 0.96422*inverse(fy+a/500), inverse(fy), 0.82521*inverse(fy-b/200)
	for i, row := range [3][3]float64{ // XYZ of D50 to linear sRGB, adapted by Bradford's method
		{3.1338561, -1.6168667, -0.4906146}, {-0.9787684, 1.9161415, 0.0334540}, {0.0719453, -0.2289914, 1.4052427},
	} {
		v := row[0]*x + row[1]*y + row[2]*z
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		out[i] = uint8(min(max(v*255+0.5, 0), 255))
	}
}
