package doublejpeg

import (
	"context"
	"math"

	"github.com/declip/declip/internal/picture"
)

const (
	frequencies = 27  // the lowest ones without the mean: higher ones are mostly zero
	widest      = 100 // steps from 0 beyond which all values are counted together
	values      = 2*widest + 1
	robust      = 3.0 // added to counts, so that rare values have little weight
	leastValues = 100 // values of a frequency, without zeros, below which it is ignored
	leastBlocks = 400 // blocks of a picture, and
	leastSide   = 40  // pixels of a side, below which a picture is not searched
	// doubtful is the logit of a block's surroundings above which it has little weight in the second
	// count.
	doubtful = 8.0
)

// Grid holds the log-odds, in nats, for each block of 8 x 8 pixels, [Height, Width], that the block
// was not compressed along with the rest of the picture.
type Grid struct {
	Logit         []float32
	Width, Height int
	X, Y          int // origin of block (0, 0) in pixels, in [0, 8)
}

// Find judges the blocks of the file's own grid, if the picture was read from a JPEG file (its
// Steps), and those of another grid on which the picture was compressed before, if there is one.
// When ctx ends it returns ctx's error within about 50 ms.
func Find(ctx context.Context, p *picture.RGB) (Evidence, error) {
	if tooSmall(p) {
		return nil, nil
	}
	var found Evidence
	if p.Steps != nil {
		g, err := odds(ctx, p, 0, 0, p.Steps)
		if err != nil {
			return nil, err
		}
		found = append(found, g)
	}
	x, y, ok, err := otherGrid(ctx, p)
	if err != nil {
		return nil, err
	}
	if ok {
		g, err := odds(ctx, p, x, y, nil)
		if err != nil {
			return nil, err
		}
		found = append(found, g)
	}
	return found, nil
}

// tooSmall reports whether a picture has too few blocks to count their values.
func tooSmall(p *picture.RGB) bool {
	return min(p.Width, p.Height) < leastSide || p.Width*p.Height < 64*leastBlocks
}

// odds judges the blocks of the grid at (x0, y0).
func odds(ctx context.Context, p *picture.RGB, x0, y0 int, steps *[64]uint16) (Grid, error) {
	m := Grid{Width: (p.Width - x0) / 8, Height: (p.Height - y0) / 8, X: x0, Y: y0}
	here, worth, err := judge(ctx, p, m, steps)
	if err != nil {
		return m, err
	}
	m.Logit = here.smoothed(here.sums(worth), m.Width, m.Height)
	return m, nil
}

// judge gives the blocks of the grid m, whose Logit is not set yet, and the log-odds of their
// values.
func judge(ctx context.Context, p *picture.RGB, m Grid, steps *[64]uint16) (here blocks, worth *worths, err error) {
	if here, err = quantise(ctx, p, m.X, m.Y, 1, steps); err != nil {
		return here, nil, err
	}
	unrounded, err := elsewhere(ctx, p, m.X, m.Y, steps)
	if err != nil {
		return here, nil, err
	}
	weight := make([]float32, len(here.clipped))
	for i, clipped := range here.clipped {
		if !clipped {
			weight[i] = 1
		}
	}
	first := here.smoothed(here.sums(here.worths(weight, &unrounded)), m.Width, m.Height)
	for i, v := range first {
		// Half of the sum over nine blocks, because neighbours are not independent.
		weight[i] *= float32(1 / (1 + math.Exp(min(max(4.5*float64(v)-doubtful, -30), 30))))
	}
	if err := ctx.Err(); err != nil {
		return here, nil, err
	}
	return here, here.worths(weight, &unrounded), nil
}

// counts holds how often each value occurs, for each frequency.
type counts [frequencies][values]float64

// elsewhere counts values in three grids that share no rows or columns with the one at (x0, y0) or
// with the file's.
func elsewhere(ctx context.Context, p *picture.RGB, x0, y0 int, steps *[64]uint16) (counts, error) {
	const enough = 25_000 // blocks of each
	var c counts
	stride := 1 + p.Width*p.Height/64/enough
	left := 3
	for _, by := range [][2]int{{4, 4}, {3, 5}, {5, 3}, {2, 6}, {6, 2}} {
		x, y := (x0+by[0])%8, (y0+by[1])%8
		if left == 0 || x == 0 || y == 0 {
			continue
		}
		left--
		b, err := quantise(ctx, p, x, y, stride, steps)
		if err != nil {
			return c, err
		}
		c.add(b)
	}
	return c, nil
}

func (c *counts) add(b blocks) {
	for f, list := range b.levels {
		for i, v := range list {
			if !b.clipped[i] {
				c[f][v]++
			}
		}
	}
}

// worths is the log-odds of each value of each frequency, in nats.
type worths [frequencies][values]float32

// worths gives the log-odds of all values. Zeros depend on how smooth an area is and have none.
func (b *blocks) worths(weight []float32, unrounded *counts) *worths {
	worth := new(worths)
	for f, list := range b.levels {
		var rounded [values]float64
		for i, v := range list {
			rounded[v] += float64(weight[i])
		}
		n, o := total(&rounded), total(&unrounded[f])
		if n < leastValues || o < leastValues {
			continue
		}
		for v := range values {
			if v != widest { // values and their negatives are equally likely
				h, u := rounded[v]+rounded[values-1-v], unrounded[f][v]+unrounded[f][values-1-v]
				worth[f][v] = float32(math.Log((u*n/o + robust) / (h + robust)))
			}
		}
	}
	return worth
}

// total is the number of values other than zero.
func total(count *[values]float64) (sum float64) {
	for _, n := range count {
		sum += n
	}
	return sum - count[widest]
}

// sums is the sum of each block's log-odds.
func (b *blocks) sums(worth *worths) []float32 {
	out := make([]float32, len(b.clipped))
	for f, list := range b.levels {
		for i, v := range list {
			out[i] += worth[f][v]
		}
	}
	return out
}

// smoothed is the mean over 3 x 3 blocks with binomial weights, without the clipped ones.
func (b *blocks) smoothed(sums []float32, w, h int) []float32 {
	const few = 0.3 // of the weight; with less, the missing blocks count as 0
	weights := [3]float32{0.25, 0.5, 0.25}
	out := make([]float32, len(sums))
	for y := range h {
		for x := range w {
			sum, weight := float32(0), float32(0)
			for r := max(0, y-1); r <= min(h-1, y+1); r++ {
				for c := max(0, x-1); c <= min(w-1, x+1); c++ {
					if i := r*w + c; !b.clipped[i] {
						k := weights[r-y+1] * weights[c-x+1]
						sum, weight = sum+k*sums[i], weight+k
					}
				}
			}
			i := y*w + x
			if out[i] = sum / max(weight, few); b.clipped[i] {
				out[i] = min(out[i], 0)
			}
		}
	}
	return out
}
