package forge

import (
	"math"

	"github.com/declip/declip/internal/picture"
)

// patches completes a picture with a hole from coarse to fine. PatchMatch (Barnes et al., 2009)
// finds the most similar known patch for each patch that touches the hole. The hole's pixels become
// the mean of the corresponding pixels of these patches (Wexler, Shechtman and Irani, 2007).
type patches struct {
	dice
	pix      []uint8 // [h*w*3], the hole is filled in place
	w, h     int
	hole     []bool
	radius   int  // patches have 2*radius+1 pixels on a side
	copyBest bool // at the end pixels are copied rather than averaged

	usable  []bool  // centres of patches without unknown pixels
	sources []int32 // the usable centres
	targets []int32 // centres of the patches that touch the hole
	match   []int32 // for each pixel that is a target: its best source
	cost    []int32 // and the sum of squared differences
	seeded  bool
}

func newPatches(p *picture.RGB, mask *picture.Gray, radius int, d dice) *patches {
	hole := make([]bool, len(mask.Pix))
	for i, v := range mask.Pix {
		hole[i] = v != 0
	}
	return &patches{dice: d, pix: p.Pix, w: p.Width, h: p.Height, hole: hole, radius: radius}
}

// patchWork bounds the patch comparisons on one level.
const patchWork = 450_000

// complete fills the hole and reports whether enough is known to do so.
func (p *patches) complete() bool {
	if !p.index() {
		return false
	}
	if coarse := p.halved(); coarse != nil && coarse.complete() {
		p.seedFrom(coarse)
		p.vote(false)
	} else {
		p.seedFresh()
	}
	rounds := 4
	if p.seeded {
		rounds = min(max(patchWork/8/max(len(p.targets), 1), 1), 3)
	}
	for k := range rounds {
		p.search(k)
		p.vote(p.copyBest && k == rounds-1)
	}
	return true
}

// index lists sources and targets.
func (p *patches) index() bool {
	r := p.radius
	if min(p.w, p.h) < 2*r+2 {
		return false
	}
	bytes := make([]uint8, len(p.hole))
	for i, o := range p.hole {
		if o {
			bytes[i] = 1
		}
	}
	touched := boxSum(bytes, p.w, p.h, r)
	p.usable = make([]bool, len(p.hole))
	for y := r; y < p.h-r; y++ {
		for x := r; x < p.w-r; x++ {
			i := y*p.w + x
			if touched[i] == 0 {
				p.usable[i] = true
				p.sources = append(p.sources, int32(i))
			} else {
				p.targets = append(p.targets, int32(i))
			}
		}
	}
	p.match, p.cost = make([]int32, len(p.hole)), make([]int32, len(p.hole))
	return len(p.sources) >= 16 && len(p.targets) > 0
}

// halved returns the next coarser level, nil at the coarsest one.
func (p *patches) halved() *patches {
	if min(p.w, p.h) < 8*p.radius+16 || len(p.targets) < 60 {
		return nil
	}
	w, h := p.w/2, p.h/2
	c := &patches{dice: p.dice, w: w, h: h, radius: p.radius}
	c.pix, c.hole = make([]uint8, w*h*3), make([]bool, w*h)
	for y := range h {
		for x := range w {
			i, j := y*w+x, 2*y*p.w+2*x
			four := [4]int{j, j + 1, j + p.w, j + p.w + 1}
			for _, k := range four {
				c.hole[i] = c.hole[i] || p.hole[k]
			}
			for ch := range 3 {
				s := 2
				for _, k := range four {
					s += int(p.pix[k*3+ch])
				}
				c.pix[i*3+ch] = uint8(s / 4)
			}
		}
	}
	return c
}

// seedFresh starts the coarsest level with a smoothly filled hole and random matches.
func (p *patches) seedFresh() {
	rgb := levels(p.pix)
	solveLaplace(rgb, p.w, p.h, 3, p.hole)
	for i, o := range p.hole {
		if o {
			for k := i * 3; k < i*3+3; k++ {
				p.pix[k] = toByte(rgb[k])
			}
		}
	}
	for _, t := range p.targets {
		p.match[t] = p.anySource()
	}
}

func (p *patches) anySource() int32 { return p.sources[p.IntN(len(p.sources))] }

// seedFrom starts with the matches of the next coarser level.
func (p *patches) seedFrom(c *patches) {
	p.seeded = true
	r := c.radius
	for _, t := range p.targets {
		x, y := int(t)%p.w, int(t)/p.w
		cx, cy := min(max(x/2, r), c.w-r-1), min(max(y/2, r), c.h-r-1)
		p.match[t] = p.anySource()
		at := cy*c.w + cx
		if c.usable[at] {
			continue // not a target there, because this patch barely touches the hole
		}
		m := int(c.match[at])
		sx, sy := 2*(m%c.w)+x-2*cx, 2*(m/c.w)+y-2*cy
		if sx >= 0 && sy >= 0 && sx < p.w && sy < p.h && p.usable[sy*p.w+sx] {
			p.match[t] = int32(sy*p.w + sx)
		}
	}
}

// search improves the matches once: each target tries its neighbours' matches, shifted, and random
// ones around its own.
func (p *patches) search(round int) {
	for _, t := range p.targets {
		p.cost[t] = p.distance(int(t), int(p.match[t]), math.MaxInt32)
	}
	reach := max(p.w, p.h)
	if p.seeded {
		reach = min(reach, 24)
	}
	step := 1
	if round&1 == 1 {
		step = -1
	}
	for k := range p.targets {
		if step < 0 {
			k = len(p.targets) - 1 - k
		}
		t := int(p.targets[k])
		for _, n := range [2]int{step, step * p.w} {
			if from := t - n; from >= 0 && from < len(p.match) && p.match[from] != 0 {
				p.try(t, int(p.match[from])+n)
			}
		}
		mx, my := int(p.match[t])%p.w, int(p.match[t])/p.w
		for d := reach; d >= 2; d /= 3 {
			x, y := mx+p.between(-d, d), my+p.between(-d, d)
			if x >= 0 && y >= 0 && x < p.w && y < p.h {
				p.try(t, y*p.w+x)
			}
		}
	}
}

// try takes source s for target t if it is usable and better.
func (p *patches) try(t, s int) {
	if s < 0 || s >= len(p.usable) || !p.usable[s] || int32(s) == p.match[t] {
		return
	}
	if d := p.distance(t, s, p.cost[t]); d < p.cost[t] {
		p.match[t], p.cost[t] = int32(s), d
	}
}

// distance is the sum of squared differences of two patches. It stops once the sum reaches limit.
func (p *patches) distance(t, s int, limit int32) int32 {
	r, stride := p.radius, p.w*3
	n := (2*r + 1) * 3
	a, b := (t-r*p.w-r)*3, (s-r*p.w-r)*3
	var sum int32
	for range 2*r + 1 {
		x, y := p.pix[a:a+n], p.pix[b:b+n]
		for i, v := range x {
			d := int32(v) - int32(y[i])
			sum += d * d
		}
		if sum >= limit {
			return sum
		}
		a, b = a+stride, b+stride
	}
	return sum
}

// vote recomputes the hole's pixels from the matches.
func (p *patches) vote(best bool) {
	if best {
		p.copyMatches()
		return
	}
	r := p.radius
	area := float64((2*r + 1) * (2*r + 1) * 3)
	acc := make([]float32, len(p.hole)*4)
	for _, t := range p.targets {
		m := int(p.match[t])
		// Good matches count for more. Noise and texture alone differ by 60 levels squared.
		weight := float32(1)
		if p.cost[t] > 0 {
			weight = float32(1 / (1 + float64(p.cost[t])/area/60))
		}
		for dy := -r; dy <= r; dy++ {
			for dx := -r; dx <= r; dx++ {
				i, j := int(t)+dy*p.w+dx, m+dy*p.w+dx
				if !p.hole[i] {
					continue
				}
				for c := range 3 {
					acc[i*4+c] += weight * float32(p.pix[j*3+c])
				}
				acc[i*4+3] += weight
			}
		}
	}
	for i, o := range p.hole {
		if n := acc[i*4+3]; o && n > 0 {
			for c := range 3 {
				p.pix[i*3+c] = toByte(acc[i*4+c] / n)
			}
		}
	}
}

// copyMatches gives each pixel the colour of the match of the patch around it.
func (p *patches) copyMatches() {
	r := p.radius
	for i, o := range p.hole {
		if !o {
			continue
		}
		x, y := i%p.w, i/p.w
		t := min(max(y, r), p.h-r-1)*p.w + min(max(x, r), p.w-r-1)
		j := int(p.match[t]) + i - t
		copy(p.pix[i*3:i*3+3], p.pix[j*3:j*3+3])
	}
}
