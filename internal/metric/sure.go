package metric

const (
	erosion  = 15 / 2 // radius in pixels of the window of the minimum filter
	dilation = 11 / 2 // and of the maximum filter
)

// markSure marks the pixels that F1 counts: those inside the mask eroded by a 15 x 15 minimum
// filter, with no untouched pixel around them, and those outside the mask dilated by an 11 x 11
// maximum filter, with no manipulated pixel around them. Padding never counts against a pixel.
func markSure(sure, truth []bool, w, h int) {
	pristine, manipulated := newBits(w, h, erosion), newBits(w, h, dilation)
	line := make([]uint64, w/64+2)
	for y := range h {
		pack(line, truth[y*w:][:w])
		manipulated.set(y, line)
		for k := range line {
			line[k] = ^line[k]
		}
		clear(line[(w+63)/64:])
		if rest := w % 64; rest > 0 {
			line[w/64] &= 1<<rest - 1
		}
		pristine.set(y, line)
	}
	pristine.spread()
	manipulated.spread()
	for y := range h {
		p, m := pristine.row(y), manipulated.row(y)
		row := sure[y*w:][:w]
		for k := 0; 64*k < w; k++ {
			certain := ^(p[k] & m[k])
			some := row[64*k : min(64*k+64, w)]
			for i := range some {
				some[i] = certain&1 != 0
				certain >>= 1
			}
		}
	}
}

// pack converts a row to bits, the first pixel being the lowest bit.
func pack(line []uint64, row []bool) {
	clear(line)
	for k := 0; 64*k < len(row); k++ {
		word := uint64(0)
		for i, v := range row[64*k : min(64*k+64, len(row))] {
			word |= uint64(bit(v)) << i
		}
		line[k] = word
	}
}

// bits is a mask with one bit per pixel and a border of radius pixels at the left and the top. The
// window around a pixel thus begins at the pixel's own coordinates.
type bits struct {
	words  []uint64
	stride int // words in a row
	rows   int
	radius int
}

func newBits(w, h, radius int) *bits {
	b := &bits{stride: (w+2*radius)/64 + 2, rows: h + radius, radius: radius}
	b.words = make([]uint64, b.stride*b.rows)
	return b
}

func (b *bits) row(y int) []uint64 { return b.words[y*b.stride:][:b.stride] }

// set stores a packed row.
func (b *bits) set(y int, line []uint64) {
	row, before := b.row(y+b.radius), uint64(0)
	for k, word := range line {
		if k == len(row) {
			return // beyond the picture
		}
		row[k] = word<<b.radius | before>>(64-b.radius)
		before = word
	}
}

// spread sets each bit for which any bit of the window of 2 radius + 1 pixels each way that begins
// there is set. It combines the mask with itself shifted by 1, 2 and 4 pixels, then by the rest.
func (b *bits) spread() {
	for _, by := range []int{1, 2, 4, 2*b.radius + 1 - 8} {
		for y := range b.rows {
			row := b.row(y)
			for k := range len(row) - 1 {
				row[k] |= row[k]>>by | row[k+1]<<(64-by)
			}
			row[len(row)-1] |= row[len(row)-1] >> by
		}
	}
	for _, by := range []int{1, 2, 4, 2*b.radius + 1 - 8} {
		for y := range b.rows - by {
			row, lower := b.row(y), b.row(y+by)
			for k := range row {
				row[k] |= lower[k]
			}
		}
	}
}
