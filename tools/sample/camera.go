package main

import (
	"math"
	"math/rand/v2"

	"github.com/declip/declip/internal/picture"
)

// photograph samples the scene as a camera does: a slightly soft lens with dark corners, one colour
// per sensor cell in a Bayer pattern, noise that grows with the light, interpolation of the missing
// colours, mild sharpening.
func photograph(w, h int, seed uint64) *picture.RGB {
	cells := expose(w, h, seed)
	colours := demosaic(cells, w, h)
	sharp := sharpen(colours, w, h)
	p := picture.NewRGB(w, h)
	for i, c := range sharp {
		for k, v := range c {
			p.Pix[3*i+k] = uint8(min(max(v, 0), 255) + 0.5)
		}
	}
	return p
}

// bayer is the colour of a cell: red, green over green, blue.
func bayer(x, y int) int { return x&1 + y&1 }

func expose(w, h int, seed uint64) []float64 {
	random := rand.New(rand.NewPCG(seed, 0x5eed))
	cells := make([]float64, w*h)
	for y := range h {
		for x := range w {
			// Nine rays over a little more than the cell simulate the softness of the lens.
			sum := rgb{}
			for k := range 9 {
				c := shade(float64(x)+0.5+0.45*float64(k%3-1), float64(y)+0.5+0.45*float64(k/3-1))
				for i := range sum {
					sum[i] += c[i] / 9
				}
			}
			r := math.Hypot(float64(x)-float64(w)/2, float64(y)-float64(h)/2) / float64(w)
			v := sum[bayer(x, y)] * (1 - 0.35*r*r)
			cells[y*w+x] = v + random.NormFloat64()*math.Sqrt(1.2+0.045*max(v, 0))
		}
	}
	return cells
}

// demosaic fills in the two missing colours of each cell: green along the
// direction in which the cells change less, red and blue by their difference to
// green, which varies little.
func demosaic(cells []float64, w, h int) []rgb {
	at := func(x, y int) float64 { return cells[mirror(y, h)*w+mirror(x, w)] }
	green := make([]float64, w*h)
	for y := range h {
		for x := range w {
			green[y*w+x] = at(x, y)
			if bayer(x, y) == 1 {
				continue
			}
			l, r, u, d := at(x-1, y), at(x+1, y), at(x, y-1), at(x, y+1)
			across := 2*at(x, y) - at(x-2, y) - at(x+2, y)
			down := 2*at(x, y) - at(x, y-2) - at(x, y+2)
			flat, steep := math.Abs(l-r)+math.Abs(across), math.Abs(u-d)+math.Abs(down)
			a, b := 1/(1+flat*flat), 1/(1+steep*steep)
			green[y*w+x] = (a*((l+r)/2+across/4) + b*((u+d)/2+down/4)) / (a + b)
		}
	}
	out := make([]rgb, w*h)
	for y := range h {
		for x := range w {
			sum, count := rgb{}, rgb{}
			for j := y - 1; j <= y+1; j++ {
				for i := x - 1; i <= x+1; i++ {
					m, n := mirror(i, w), mirror(j, h)
					k := bayer(m, n)
					sum[k] += cells[n*w+m] - green[n*w+m]
					count[k]++
				}
			}
			g := green[y*w+x]
			out[y*w+x] = rgb{g + sum[0]/count[0], g, g + sum[2]/count[2]}
			out[y*w+x][bayer(x, y)] = cells[y*w+x]
		}
	}
	return out
}

// mirror reflects a coordinate into [0, n) so that the colour in the pattern is the same.
func mirror(i, n int) int {
	if i < 0 {
		return -i
	}
	if i >= n {
		return 2*(n-1) - i
	}
	return i
}

// sharpen adds a part of the difference to the mean of the four neighbours.
func sharpen(in []rgb, w, h int) []rgb {
	out := make([]rgb, len(in))
	at := func(x, y int) rgb { return in[min(max(y, 0), h-1)*w+min(max(x, 0), w-1)] }
	for y := range h {
		for x := range w {
			c := at(x, y)
			l, r, u, d := at(x-1, y), at(x+1, y), at(x, y-1), at(x, y+1)
			for k := range c {
				mean := (l[k] + r[k] + u[k] + d[k]) / 4
				out[y*w+x][k] = c[k] + 0.35*(c[k]-mean)
			}
		}
	}
	return out
}
