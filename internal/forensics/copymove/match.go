package copymove

import (
	"cmp"
	"context"
	"math"
	"math/bits"
	"runtime"
	"slices"

	"github.com/declip/declip/internal/parallel"
)

// match is two keypoints with similar surroundings.
type match struct {
	from, to *keypoint
	turn     float64 // rotation of the surroundings in radians, after a vertical flip if mirrored
}

func newMatch(from, to *keypoint, mirrored bool) match {
	if mirrored {
		return match{from, to, to.angle + from.angle}
	}
	return match{from, to, to.angle - from.angle}
}

const (
	farthest   = 64 // differing outcomes of 256 at most
	ratio      = 0.85
	apart      = 20.0 // pixels: closer keypoints are similar because they overlap
	firstWord  = 18   // differing outcomes of the first 64 at most,
	firstWords = 36   // and of the first 128: this saves most of the work
)

// plain is the contrast above which a keypoint is not compared with those of the other sign.
const plain = 2

// matches finds for each keypoint the most similar one elsewhere, or the one most similar to its
// mirror image, unless a third is nearly as similar. Dark ones, which come first, are not compared
// with bright ones. Matches are sorted from top to bottom.
func matches(ctx context.Context, points []keypoint, mirrored bool) ([]match, error) {
	parallel.Point("match")
	c := candidates{points: points, codes: make([]code, len(points)), first: make([]uint64, len(points)), mirrored: mirrored}
	for i, p := range points {
		c.codes[i], c.first[i] = p.code, p.code[0]
		if p.contrast < -plain {
			c.dark = i + 1
		}
		if p.contrast <= plain {
			c.bright = i + 1
		}
	}
	workers := runtime.GOMAXPROCS(0)
	parts := make([][]match, workers)
	err := parallel.For(ctx, workers, workers, func(ctx context.Context, w int) error {
		for i := w * len(points) / workers; i < (w+1)*len(points)/workers; i++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if j := c.best(i); j >= 0 {
				parts[w] = append(parts[w], newMatch(&points[i], &points[j], mirrored))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := slices.Concat(parts...)
	slices.SortStableFunc(list, func(a, b match) int { return cmp.Compare(a.from.y, b.from.y) })
	return list, nil
}

// candidates are keypoints from dark to bright.
type candidates struct {
	points       []keypoint
	codes        []code
	first        []uint64 // the first words of the codes
	dark, bright int      // end of the plainly dark ones, start of the plainly bright ones
	mirrored     bool
}

// best is the index of the match, or -1.
func (s *candidates) best(i int) int {
	from, to := 0, len(s.points)
	switch {
	case i < s.dark:
		to = s.bright
	case i >= s.bright:
		from = s.dark
	}
	p := &s.points[i]
	c := p.code
	if s.mirrored {
		c = p.mirrored
	}
	best, second, at := farthest+1, 256, -1
	for j, word := range s.first[from:to] {
		d := bits.OnesCount64(c[0] ^ word)
		if d > firstWord {
			continue
		}
		j += from
		o := &s.codes[j]
		d += bits.OnesCount64(c[1] ^ o[1])
		if d > firstWords {
			continue
		}
		d += bits.OnesCount64(c[2]^o[2]) + bits.OnesCount64(c[3]^o[3])
		if d >= second {
			continue
		}
		q := &s.points[j]
		if p.near(q) {
			continue
		}
		near := at >= 0 && s.points[at].near(q)
		switch {
		case d < best && near:
			best, at = d, j
		case d < best:
			if at >= 0 {
				second = best
			}
			best, at = d, j
		case !near:
			second = d
		}
	}
	if at < 0 || float64(best) > ratio*float64(second) {
		return -1
	}
	return at
}

// near reports whether two keypoints overlap too much to be compared.
func (p *keypoint) near(q *keypoint) bool {
	return math.Abs(p.x-q.x)+math.Abs(p.y-q.y) < apart
}
