package doublejpeg

import (
	"context"
	"math"

	"github.com/declip/declip/internal/picture"
)

const (
	sample   = 1200 // approximate number of blocks of each grid that are used
	standOut = 5.0  // standard deviations of the others by which a grid must exceed their mean
)

// otherGrid finds the grid whose distribution of values differs most from that of all grids
// together. In a JPEG file only grids that share neither rows nor columns with the file's own
// count. ok is false if no grid is significant.
func otherGrid(ctx context.Context, p *picture.RGB) (x, y int, ok bool, err error) {
	stride := max(1, p.Width*p.Height/64/sample)
	var grids [64]counts
	var pool counts
	var taken []int
	for g := range grids {
		if p.Steps != nil && (g%8 == 0 || g/8 == 0) {
			continue
		}
		taken = append(taken, g)
		b, err := quantise(ctx, p, g%8, g/8, stride, nil)
		if err != nil {
			return 0, 0, false, err
		}
		grids[g].add(b)
		pool.add(b)
	}
	best, at, sum, squares := math.Inf(-1), 0, 0.0, 0.0
	for _, g := range taken {
		d := grids[g].divergence(&pool)
		sum, squares = sum+d, squares+d*d
		if d > best {
			best, at = d, g
		}
	}
	n := float64(len(taken) - 1)
	mean := (sum - best) / n
	deviation := math.Sqrt(max((squares-best*best)/n-mean*mean, 0))
	return at % 8, at / 8, best > mean+standOut*max(deviation, 1e-4), nil
}

// divergence is the Kullback-Leibler divergence, in nats, of the values other than zero, summed
// over frequencies.
func (c *counts) divergence(pool *counts) float64 {
	sum := 0.0
	for f := range c {
		n, o := total(&c[f]), total(&pool[f])
		if n < leastValues || o < leastValues {
			continue
		}
		for v := range widest {
			if h := (c[f][v] + c[f][values-1-v]) / n; h > 0 {
				sum += h * math.Log(h*o/(pool[f][v]+pool[f][values-1-v]))
			}
		}
	}
	return sum
}
