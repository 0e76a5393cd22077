package evidence

import (
	"context"
	"math"
	"runtime"
	"slices"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

const (
	// edge is the size in levels that a difference counts as at most: larger ones are edges of
	// things in the picture.
	edge = 24
	// reach is the number of blocks on each side over which borders are averaged. A block has 8
	// pixels along each of its borders, too few for a mean.
	reach = 2
	// floor in levels keeps areas of one colour at 0.
	floor = 0.25
	// contrast is the logarithm of a ratio between places that is 1 before tanh.
	contrast = 0.4
)

// strengths are sums of differences for each block and place: [Height, Width, 8].
type strengths []float32

// addBorders compares the borders between columns, and between rows, at the eight places where
// those of blocks may be, and with the whole picture's.
func (m *Map) addBorders(ctx context.Context, p *picture.RGB) error {
	across, down := make(strengths, m.Width*m.Height*side), make(strengths, m.Width*m.Height*side)
	workers := max(1, min(runtime.GOMAXPROCS(0), m.Height/8))
	err := parallel.For(ctx, workers, workers, func(ctx context.Context, k int) error {
		for by := k * m.Height / workers; by < (k+1)*m.Height/workers; by++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			m.sumBlocks(p, by, across, down)
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.compare(columnChannels, across)
	m.compare(rowChannels, down)
	return nil
}

// sumBlocks adds up the third differences of the luma of a row of blocks, which are small within
// blocks, where the picture is smooth, and large across their borders.
func (m *Map) sumBlocks(p *picture.RGB, by int, across, down strengths) {
	const around = 2
	var rows [side + 2*around][]float32
	for i := range rows {
		rows[i] = make([]float32, p.Width)
		luma(rows[i], p, min(max(by*side-m.LeadY+i-around, 0), p.Height-1))
	}
	// The border between two blocks belongs to both, so that a mirrored picture has the same
	// strengths.
	for i := range side + 1 {
		y := by*side - m.LeadY + i
		if y < 0 || y >= p.Height {
			continue
		}
		a, b, c, d := rows[i], rows[i+1], rows[i+2], rows[i+3]
		weight := float32(1)
		if i%side == 0 {
			weight = 0.5
		}
		for x := range p.Width {
			at := x + m.LeadX
			cell := (by*m.Width + at/side) * side
			down[cell+i%side] += weight * difference(a[x], b[x], c[x], d[x])
			if i == side || x < 2 || x+1 >= p.Width {
				continue
			}
			v := difference(c[x-2], c[x-1], c[x], c[x+1])
			if at%side == 0 {
				v /= 2
				across[cell-side] += v // x is at least 2: there is a block before
			}
			across[cell+at%side] += v
		}
	}
}

// difference is the size of the third difference of four neighbours, whose border is between b and
// c.
func difference(a, b, c, d float32) float32 {
	v := d - a + 3*(b-c)
	if v < 0 {
		v = -v
	}
	return min(v, edge)
}

func luma(to []float32, p *picture.RGB, y int) {
	row := p.Pix[3*y*p.Width:][:3*p.Width]
	for x := range to {
		px := row[3*x : 3*x+3]
		to[x] = .299*float32(px[0]) + .587*float32(px[1]) + .114*float32(px[2])
	}
}

// compare fills eight channels: the logarithm of each place's strength around a block, relative to
// all places', less the same of the whole picture.
func (m *Map) compare(first int, s strengths) {
	near := m.averaged(s)
	logs := func(i int) [side]float64 {
		var sums [side]float64
		for k := range sums {
			sums[k] = float64(near[i*side+k])
		}
		return relative(sums, (2*reach+1)*(2*reach+1))
	}
	blocks := m.Width * m.Height
	whole := medians(blocks, logs)
	for i := range blocks {
		for k, v := range logs(i) {
			m.channel(first + k)[i] = squashed((v - whole[k]) / contrast)
		}
	}
}

// medians are those of the places over blocks: a manipulated part does not change them much.
func medians(blocks int, logs func(i int) [side]float64) (list [side]float64) {
	const enough = 2048
	var all [side][]float64
	for i := 0; i < blocks; i += 1 + blocks/enough {
		for k, v := range logs(i) {
			all[k] = append(all[k], v)
		}
	}
	for k, values := range all {
		slices.Sort(values)
		list[k] = values[len(values)/2]
	}
	return list
}

// relative is the logarithm of the ratio of each place to the mean of all; blocks is the number of
// blocks that were added up.
func relative(sums [side]float64, blocks float64) (logs [side]float64) {
	mean := 0.0
	for _, v := range sums {
		mean += v / side
	}
	least := floor * side * blocks
	for k, v := range sums {
		logs[k] = math.Log((v + least) / (mean + least))
	}
	return logs
}

// averaged adds up the (2 reach + 1)^2 blocks around each block; those beyond the picture are its
// outermost ones again.
func (m *Map) averaged(s strengths) strengths {
	row, out := make(strengths, len(s)), make(strengths, len(s))
	for y := range m.Height {
		for x := range m.Width {
			to := row[(y*m.Width+x)*side:][:side]
			for k := x - reach; k <= x+reach; k++ {
				from := s[(y*m.Width+min(max(k, 0), m.Width-1))*side:][:side]
				for i, v := range from {
					to[i] += v
				}
			}
		}
	}
	for y := range m.Height {
		to := out[y*m.Width*side:][:m.Width*side]
		for k := y - reach; k <= y+reach; k++ {
			from := row[min(max(k, 0), m.Height-1)*m.Width*side:][:m.Width*side]
			for i, v := range from {
				to[i] += v
			}
		}
	}
	return out
}
