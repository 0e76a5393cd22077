package jpeggrid

import (
	"math"
	"slices"

	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

const (
	side   = numeric.BlockSide
	window = 2*side - 1 // holds one block of each of the 64 grids
	// The largest number of windows: enough for a grid to exceed the others by many deviations, and
	// fast at any size.
	samples = 200
	// nearZero is the magnitude in levels below which a coefficient counts as zero: rounding pixels to
	// whole levels changes it by about half a level.
	nearZero = 0.6
	// standOut is the number of standard deviations by which the best grid must exceed the mean of the
	// others. Pictures that were never compressed stay under 5.
	standOut = 8
)

// Grid is where blocks begin: at the pixels X, X+8, ... and Y, Y+8, ..., with both in [0, 8).
type Grid struct{ X, Y int }

// Detect returns the grid of an earlier compression. ok is false if no grid is significant, as in
// pictures under 16 pixels on a side.
func Detect(p *picture.RGB) (grid Grid, ok bool) {
	counts, ok := count(p)
	if !ok {
		return Grid{}, false
	}
	best := 0
	for i, c := range counts {
		if c > counts[best] {
			best = i
		}
	}
	// Grids in the best one's row or column share its alignment in one direction and exceed the rest
	// themselves.
	var others []float64
	for i, c := range counts {
		if i/side != best/side && i%side != best%side {
			others = append(others, c)
		}
	}
	mean, deviation := moments(others)
	if counts[best]-mean < standOut*math.Max(deviation, 1) {
		return Grid{}, false
	}
	return Grid{X: best % side, Y: best / side}, true
}

// count is, for each grid [y*8+x], the number of coefficients near zero in its sampled blocks.
func count(p *picture.RGB) (counts [side * side]float64, ok bool) {
	across, down := p.Width-window-side, p.Height-window-side
	if across < 0 || down < 0 {
		return counts, false
	}
	columns := spread(across, p.Width, p.Height)
	rows := spread(down, p.Height, p.Width)
	for _, y := range rows {
		for _, x := range columns {
			// Windows begin on multiples of 8, so that a block's place within its window is its grid.
			vote(p, x/side*side, y/side*side, &counts)
		}
	}
	return counts, true
}

// spread places origins evenly from 0 to last; their number follows from samples and the ratio of
// the sides.
func spread(last, length, other int) []int {
	n := int(math.Sqrt(samples * float64(length) / float64(other)))
	n = max(1, min(n, last/side+1, samples))
	origins := make([]int, n)
	for i := range origins {
		origins[i] = (2*i + 1) * last / (2 * n)
	}
	return slices.Compact(origins)
}

// vote adds the counts of the 64 blocks in the window at (x0, y0).
func vote(p *picture.RGB, x0, y0 int, counts *[side * side]float64) {
	// lines[y][x][u]: coefficient u of the 8 pixels from x on in line y.
	var lines [window][side][side]float32
	for y := range window {
		var luma [window]float32
		for x := range luma {
			px := p.Pix[3*((y0+y)*p.Width+x0+x):][:3]
			luma[x] = .299*float32(px[0]) + .587*float32(px[1]) + .114*float32(px[2])
		}
		for x := range side {
			transform(luma[x:x+side], &lines[y][x])
		}
	}
	var column, out [side]float32
	for y := range side {
		for x := range side {
			zeros := 0
			for u := range side {
				for k := range side {
					column[k] = lines[y+k][x][u]
				}
				transform(column[:], &out)
				for _, v := range out {
					if v < nearZero && v > -nearZero {
						zeros++
					}
				}
			}
			counts[y*side+x] += float64(zeros)
		}
	}
}

// transform is the orthonormal cosine transform of 8 values. The basis functions are even or odd
// about the centre, so sums serve the even ones and differences the odd ones.
func transform(in []float32, out *[side]float32) {
	in = in[:side]
	for k := range 2 {
		sign := float32(1 - 2*k)
		a, b, c, d := in[0]+sign*in[7], in[1]+sign*in[6], in[2]+sign*in[5], in[3]+sign*in[4]
		for u := k; u < side; u += 2 {
			w := &numeric.DCT[u]
			out[u] = w[0]*a + w[1]*b + w[2]*c + w[3]*d
		}
	}
}

func moments(v []float64) (mean, deviation float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		deviation += (x - mean) * (x - mean) / float64(len(v))
	}
	return mean, math.Sqrt(deviation)
}
