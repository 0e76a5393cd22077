package forge

// solveLaplace fills the open pixels of a field [h*w*channels] so that each is the mean of its
// neighbours; the others are given. The border of the field reflects (Neumann condition). It works
// from coarse to fine: each level starts from the next coarser one's solution and needs a few
// sweeps only. Without a given pixel the field does not change.
func solveLaplace(v []float32, w, h, channels int, open []bool) {
	n := 0
	for _, o := range open {
		if o {
			n++
		}
	}
	if n == 0 || n == len(open) {
		return
	}
	laplaceLevel(v, w, h, channels, open)
}

// laplaceLevel solves one level.
func laplaceLevel(v []float32, w, h, channels int, open []bool) {
	if min(w, h) > 2 {
		coarse, cw, ch, copen := coarsen(v, w, h, channels, open)
		laplaceLevel(coarse, cw, ch, channels, copen)
		for i, o := range open {
			if o {
				interpolate(v[i*channels:(i+1)*channels], coarse, cw, ch, i%w, i/w)
			}
		}
	}
	sweeps := 14
	if w*h < 1024 {
		sweeps = 60
	}
	relax(v, w, h, channels, open, sweeps)
}

// coarsen averages the given pixels of each 2 x 2 square. A square without any is open.
func coarsen(v []float32, w, h, channels int, open []bool) ([]float32, int, int, []bool) {
	cw, ch := (w+1)/2, (h+1)/2
	coarse, copen := make([]float32, cw*ch*channels), make([]bool, cw*ch)
	for y := range ch {
		for x := range cw {
			at, n := y*cw+x, float32(0)
			for _, p := range [4][2]int{{2 * x, 2 * y}, {2*x + 1, 2 * y}, {2 * x, 2*y + 1}, {2*x + 1, 2*y + 1}} {
				i := p[1]*w + p[0]
				if p[0] >= w || p[1] >= h || open[i] {
					continue
				}
				n++
				for c := range channels {
					coarse[at*channels+c] += v[i*channels+c]
				}
			}
			if n == 0 {
				copen[at] = true
				continue
			}
			for c := range channels {
				coarse[at*channels+c] /= n
			}
		}
	}
	return coarse, cw, ch, copen
}

// interpolate reads the coarse field bilinearly at the fine pixel (x,y).
func interpolate(out, coarse []float32, cw, ch, x, y int) {
	channels := len(out)
	x0, y0 := (x-1)>>1, (y-1)>>1
	fx, fy := float32(0.25), float32(0.25)
	if x&1 == 0 {
		fx = 0.75
	}
	if y&1 == 0 {
		fy = 0.75
	}
	x1, y1 := min(x0+1, cw-1), min(y0+1, ch-1)
	x0, y0 = max(x0, 0), max(y0, 0)
	a, b, c, d := (y0*cw+x0)*channels, (y0*cw+x1)*channels, (y1*cw+x0)*channels, (y1*cw+x1)*channels
	for k := range out {
		top := coarse[a+k] + fx*(coarse[b+k]-coarse[a+k])
		bottom := coarse[c+k] + fx*(coarse[d+k]-coarse[c+k])
		out[k] = top + fy*(bottom-top)
	}
}

// relax does sweeps of successive over-relaxation over the open pixels.
func relax(v []float32, w, h, channels int, open []bool, sweeps int) {
	const omega = 1.5
	var todo []int32
	for i, o := range open {
		if o {
			todo = append(todo, int32(i))
		}
	}
	for s := range sweeps {
		for k := range todo {
			if s&1 == 1 { // in reverse, so that no direction is preferred
				k = len(todo) - 1 - k
			}
			relaxPixel(v, w, h, channels, int(todo[k]), omega)
		}
	}
}

// relaxPixel moves one pixel towards the mean of its neighbours.
func relaxPixel(v []float32, w, h, channels, i int, omega float32) {
	x, y := i%w, i/w
	var near [4]int
	n := 0
	if x > 0 {
		near[n], n = i-1, n+1
	}
	if x < w-1 {
		near[n], n = i+1, n+1
	}
	if y > 0 {
		near[n], n = i-w, n+1
	}
	if y < h-1 {
		near[n], n = i+w, n+1
	}
	for c := range channels {
		var s float32
		for _, j := range near[:n] {
			s += v[j*channels+c]
		}
		at := i*channels + c
		v[at] += omega * (s/float32(n) - v[at])
	}
}
