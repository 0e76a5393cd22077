package forge

import (
	"container/heap"
	"math"
)

// march fills a hole from its rim inwards, pixel by pixel in the order of the distance from the rim
// (fast marching), each from the known pixels within a radius. The weights are those of Telea, "An
// Image Inpainting Technique Based on the Fast Marching Method" (2004), or follow the lines of
// equal brightness as in Bertalmio, Bertozzi and Sapiro, "Navier-Stokes, Fluid Dynamics, and Image
// and Video Inpainting" (2001).
type march struct {
	rgb   []float32 // [h*w*3], filled in place
	w, h  int
	open  []bool    // not known yet
	time  []float32 // distance from the rim, pixels
	slope []float32 // [h*w*2] brightness gradient of known pixels, levels per pixel
	telea bool
	rim   front
	disc  []neighbour
}

type neighbour struct {
	dx, dy int
	near   float32 // weight by distance
}

func newMarch(rgb []float32, w, h int, open []bool, radius float64, telea bool) *march {
	m := &march{rgb: rgb, w: w, h: h, open: open, telea: telea}
	m.time, m.slope = make([]float32, w*h), make([]float32, w*h*2)
	m.rim.time = m.time
	reach := int(radius)
	for dy := -reach; dy <= reach; dy++ {
		for dx := -reach; dx <= reach; dx++ {
			d := math.Hypot(float64(dx), float64(dy))
			if d == 0 || d > radius {
				continue
			}
			near := 1 / (d * d * d)
			if !telea {
				near = 1 / (d * (d*d + 1))
			}
			m.disc = append(m.disc, neighbour{dx, dy, float32(near)})
		}
	}
	return m
}

func (m *march) run() {
	for i, o := range m.open {
		if o {
			m.time[i] = math.MaxFloat32
		}
	}
	for i, o := range m.open {
		if !o {
			m.setSlope(i)
			if m.touchesOpen(i) {
				m.rim.index = append(m.rim.index, int32(i))
			}
		}
	}
	heap.Init(&m.rim)
	for m.rim.Len() > 0 {
		i := int(heap.Pop(&m.rim).(int32))
		m.neighbours(i, func(j int) {
			if !m.open[j] {
				return
			}
			m.time[j] = m.arrival(j)
			m.fill(j)
			m.open[j] = false
			m.setSlope(j)
			heap.Push(&m.rim, int32(j))
		})
	}
}

// neighbours calls f for the up to four pixels adjacent to i.
func (m *march) neighbours(i int, f func(j int)) {
	x := i % m.w
	if x > 0 {
		f(i - 1)
	}
	if x < m.w-1 {
		f(i + 1)
	}
	if i >= m.w {
		f(i - m.w)
	}
	if i+m.w < len(m.open) {
		f(i + m.w)
	}
}

func (m *march) touchesOpen(i int) (yes bool) {
	m.neighbours(i, func(j int) { yes = yes || m.open[j] })
	return yes
}

// arrival solves |grad T| = 1 at pixel i from its known neighbours.
func (m *march) arrival(i int) float32 {
	const never = float32(math.MaxFloat32)
	x, y := i%m.w, i/m.w
	across, along := never, never
	if x > 0 {
		across = m.time[i-1]
	}
	if x < m.w-1 {
		across = min(across, m.time[i+1])
	}
	if y > 0 {
		along = m.time[i-m.w]
	}
	if y < m.h-1 {
		along = min(along, m.time[i+m.w])
	}
	lo, hi := min(across, along), max(across, along)
	if hi-lo >= 1 {
		return lo + 1
	}
	d := hi - lo
	return (lo + hi + float32(math.Sqrt(float64(2-d*d)))) / 2
}

// difference returns the derivative at pixel i along a step, from known pixels only. get reads the
// quantity.
func (m *march) difference(i, step int, before, after bool, get func(int) float32) float32 {
	before = before && !m.open[i-step*b2i(before)]
	after = after && !m.open[i+step*b2i(after)]
	switch {
	case before && after:
		return (get(i+step) - get(i-step)) / 2
	case after:
		return get(i+step) - get(i)
	case before:
		return get(i) - get(i-step)
	}
	return 0
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// gradient is the derivative in both directions.
func (m *march) gradient(i int, get func(int) float32) (gx, gy float32) {
	x, y := i%m.w, i/m.w
	return m.difference(i, 1, x > 0, x < m.w-1, get), m.difference(i, m.w, y > 0, y < m.h-1, get)
}

// setSlope computes the brightness gradient at pixel i.
func (m *march) setSlope(i int) {
	gx, gy := m.gradient(i, func(j int) float32 {
		return 0.299*m.rgb[j*3] + 0.587*m.rgb[j*3+1] + 0.114*m.rgb[j*3+2]
	})
	m.slope[i*2], m.slope[i*2+1] = gx, gy
}

// fill computes the colour of pixel i from the known pixels around it.
func (m *march) fill(i int) {
	x, y := i%m.w, i/m.w
	tx, ty := m.gradient(i, func(j int) float32 { return m.time[j] })
	if l := float32(math.Hypot(float64(tx), float64(ty))); l > 0 {
		tx, ty = tx/l, ty/l
	}
	var sum [3]float32
	var total, drift float32
	for _, n := range m.disc {
		px, py := x+n.dx, y+n.dy
		if px < 0 || py < 0 || px >= m.w || py >= m.h {
			continue
		}
		j := py*m.w + px
		if m.open[j] {
			continue
		}
		gx, gy := m.slope[j*2], m.slope[j*2+1]
		rx, ry := -float32(n.dx), -float32(n.dy) // from the known pixel to this one
		weight := n.near
		if m.telea {
			weight *= max(absf(rx*tx+ry*ty), 1e-3) / (1 + absf(m.time[j]-m.time[i]))
			drift += weight * (gx*rx + gy*ry)
		} else {
			weight *= absf(ry*gx-rx*gy) + 1e-2 // how much the step runs along an isophote
		}
		for c := range sum {
			sum[c] += weight * m.rgb[j*3+c]
		}
		total += weight
	}
	if total == 0 {
		return
	}
	for c := range sum {
		// A third of the first-order term: all of it overshoots in texture.
		m.rgb[i*3+c] = clampLevel((sum[c] + drift/3) / total)
	}
}

func absf(x float32) float32 { return max(x, -x) }

// front is a heap of pixels by time.
type front struct {
	index []int32
	time  []float32
}

func (f *front) Len() int           { return len(f.index) }
func (f *front) Less(a, b int) bool { return f.time[f.index[a]] < f.time[f.index[b]] }
func (f *front) Swap(a, b int)      { f.index[a], f.index[b] = f.index[b], f.index[a] }
func (f *front) Push(x any)         { f.index = append(f.index, x.(int32)) }
func (f *front) Pop() any {
	last := f.index[len(f.index)-1]
	f.index = f.index[:len(f.index)-1]
	return last
}
