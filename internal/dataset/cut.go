package dataset

import "github.com/declip/declip/internal/picture"

// cutRGB copies the square of the given side whose upper left corner is (x,y). Beyond the picture's
// border it holds the mirror image.
func cutRGB(p *picture.RGB, x, y, side int) *picture.RGB {
	out := &picture.RGB{Pix: make([]uint8, 3*side*side), Width: side, Height: side}
	columns := mirrored(x, side, p.Width)
	for j, row := range mirrored(y, side, p.Height) {
		src, dst := p.Pix[3*row*p.Width:3*(row+1)*p.Width], out.Pix[3*j*side:3*(j+1)*side]
		if x+side <= p.Width {
			copy(dst, src[3*x:])
			continue
		}
		for i, c := range columns {
			copy(dst[3*i:3*i+3], src[3*c:3*c+3])
		}
	}
	return out
}

// cutGray is cutRGB for a mask.
func cutGray(p *picture.Gray, x, y, side int) *picture.Gray {
	out := &picture.Gray{Pix: make([]uint8, side*side), Width: side, Height: side}
	columns := mirrored(x, side, p.Width)
	for j, row := range mirrored(y, side, p.Height) {
		src, dst := p.Pix[row*p.Width:(row+1)*p.Width], out.Pix[j*side:(j+1)*side]
		for i, c := range columns {
			dst[i] = src[c]
		}
	}
	return out
}

// mirrored gives count coordinates from start on, reflected into [0, size) at the far border. The
// border pixel is repeated.
func mirrored(start, count, size int) []int {
	out := make([]int, count)
	for i := range out {
		at := (start + i) % (2 * size)
		if at >= size {
			at = 2*size - 1 - at
		}
		out[i] = at
	}
	return out
}

// source is the index of the pixel of a square that moves to (x,y) in one of the eight turns: bit 0
// mirrors left-right, bit 1 mirrors top-bottom, bit 2 exchanges rows and columns.
func source(turn, x, y, side int) int {
	if turn&1 != 0 {
		x = side - 1 - x
	}
	if turn&2 != 0 {
		y = side - 1 - y
	}
	if turn&4 != 0 {
		x, y = y, x
	}
	return y*side + x
}

// turnRGB applies one of the eight turns to a square.
func turnRGB(p *picture.RGB, turn int) *picture.RGB {
	if turn == 0 {
		return p
	}
	out := &picture.RGB{Pix: make([]uint8, len(p.Pix)), Width: p.Width, Height: p.Height}
	for y := range p.Height {
		for x := range p.Width {
			to, from := 3*(y*p.Width+x), 3*source(turn, x, y, p.Width)
			copy(out.Pix[to:to+3], p.Pix[from:from+3])
		}
	}
	return out
}

// turnGray is turnRGB for a mask.
func turnGray(p *picture.Gray, turn int) *picture.Gray {
	if turn == 0 {
		return p
	}
	out := &picture.Gray{Pix: make([]uint8, len(p.Pix)), Width: p.Width, Height: p.Height}
	for y := range p.Height {
		for x := range p.Width {
			out.Pix[y*p.Width+x] = p.Pix[source(turn, x, y, p.Width)]
		}
	}
	return out
}
