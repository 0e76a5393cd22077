package forge

import (
	"github.com/declip/declip/internal/picture"
)

// addRegion adds to m a region of about area pixels around seed that ends where the guide's colours
// change. It is grown at half size, where there is less noise, and its outline is smoothed when it
// is enlarged.
func (d dice) addRegion(m *picture.Gray, guide *picture.RGB, seed point, area float64) {
	small := halve(guide)
	want := max(16, int(area/4))
	grown := d.growRegion(small, int(seed.x/2), int(seed.y/2), want, d.uniform(0.1, 0.6))
	if d.chance(0.85) {
		fillHoles(grown)
	}
	if d.chance(0.7) {
		smooth(grown, d.between(1, 3))
	}
	full := double(grown, m.Width, m.Height)
	grow(full, d.between(-1, 3))
	for i, v := range full.Pix {
		m.Pix[i] |= v
	}
}

// halve averages 2 x 2 squares. An odd last row or column is repeated.
func halve(p *picture.RGB) *picture.RGB {
	out := picture.NewRGB((p.Width+1)/2, (p.Height+1)/2)
	for y := range out.Height {
		above := p.Pix[2*y*p.Width*3:]
		below := p.Pix[min(2*y+1, p.Height-1)*p.Width*3:]
		for x := range out.Width {
			l, r := 2*x*3, min(2*x+1, p.Width-1)*3
			for c := range 3 {
				s := int(above[l+c]) + int(above[r+c]) + int(below[l+c]) + int(below[r+c])
				out.Pix[(y*out.Width+x)*3+c] = uint8((s + 2) / 4)
			}
		}
	}
	return out
}

// double enlarges a mask to w x h with a smoothed outline.
func double(m *picture.Gray, w, h int) *picture.Gray {
	out := picture.NewGray(w, h)
	for y := range h {
		row := m.Pix[min(y/2, m.Height-1)*m.Width:]
		for x := range w {
			out.Pix[y*w+x] = row[min(x/2, m.Width-1)]
		}
	}
	smooth(out, 1)
	smooth(out, 2)
	return out
}

// growRegion floods the picture from (x,y), always to the cheapest pixel on the rim. A pixel costs
// its difference from the neighbour it is reached from and, weighted by pull in [0,1], from the
// region's mean colour. The flood ends between half and 1.6 times want pixels, before the highest
// climb in cost, where it would cross an object's border. A little randomness in the costs keeps it
// from spreading as a diamond in flat areas.
func (d dice) growRegion(p *picture.RGB, x, y, want int, pull float64) *picture.Gray {
	const levels = 256
	w, h := p.Width, p.Height
	m := picture.NewGray(w, h)
	var rim [levels][]int32 // first in, first out, so that flat areas fill evenly
	seen := make([]bool, w*h)
	start := min(max(y, 0), h-1)*w + min(max(x, 0), w-1)
	order := make([]int32, 0, want*8/5+1)
	climbs := make([]uint8, 0, want*8/5+1) // highest level so far, at each pixel taken
	var sum [3]int
	pull256 := int(pull * 256)

	rim[0] = append(rim[0], int32(start))
	seen[start] = true
	for level, high := 0, 0; level < levels && len(order) < want*8/5; {
		q := rim[level]
		if len(q) == 0 {
			level++
			continue
		}
		i := int(q[0])
		rim[level] = q[1:]
		high = max(high, level)
		order, climbs = append(order, int32(i)), append(climbs, uint8(high))
		here := p.Pix[i*3 : i*3+3]
		var mean [3]int
		for c := range 3 {
			sum[c] += int(here[c])
			mean[c] = sum[c] / len(order)
		}
		col := i % w
		for _, n := range [4]struct {
			ok bool
			at int
		}{{col > 0, i - 1}, {col < w-1, i + 1}, {i >= w, i - w}, {i+w < w*h, i + w}} {
			if !n.ok || seen[n.at] {
				continue
			}
			seen[n.at] = true
			there := p.Pix[n.at*3 : n.at*3+3]
			step, away := 0, 0
			for c := range 3 {
				step = max(step, abs(int(there[c])-int(here[c])))
				away = max(away, abs(int(there[c])-mean[c]))
			}
			cost := min(step+away*pull256/256+d.IntN(4), levels-1)
			rim[cost] = append(rim[cost], int32(n.at))
			level = min(level, cost)
		}
	}
	for _, i := range order[:bestCut(climbs, want)] {
		m.Pix[i] = 255
	}
	return m
}

// bestCut returns the number of pixels of the flood to keep.
func bestCut(climbs []uint8, want int) int {
	best, cut := -1, min(want, len(climbs))
	for n := want / 2; n < len(climbs); n++ {
		if rise := int(climbs[n]) - int(climbs[n-1]); rise > best {
			best, cut = rise, n
		}
	}
	return cut
}

func abs(x int) int { return max(x, -x) }
