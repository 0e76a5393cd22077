package copymove

import (
	"math"
	"math/bits"
	"runtime"
	"sync"
)

// match is two keypoints that look alike.
type match struct {
	from, to *keypoint
	turn     float64 // by how much the surroundings are turned, radians; of mirrored ones, after mirroring top to bottom
}

func newMatch(from, to *keypoint, mirrored bool) match {
	if mirrored {
		return match{from, to, to.angle + from.angle}
	}
	return match{from, to, to.angle - from.angle}
}

const (
	farthest  = 64 // differing outcomes of 256 at most
	ratio     = 0.85
	apart     = 20.0 // pixels: closer ones look alike because they overlap
	firstWord = 22   // differing outcomes of the first 64 at most: spares most of the work
)

// matches finds for each keypoint the one elsewhere that looks most like it, or like its mirror image, where no third place
// comes near.
func matches(points []keypoint, mirrored bool) []match {
	codes := make([]code, len(points))
	first := make([]uint64, len(points))
	for i, p := range points {
		codes[i], first[i] = p.code, p.code[0]
	}
	workers := runtime.GOMAXPROCS(0)
	parts := make([][]match, workers)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := w * len(points) / workers; i < (w+1)*len(points)/workers; i++ {
				if j := bestMatch(points, codes, first, i, mirrored); j >= 0 {
					parts[w] = append(parts[w], newMatch(&points[i], &points[j], mirrored))
				}
			}
		})
	}
	wait.Wait()
	var all []match
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// bestMatch is the index of the match, or -1. first holds the first words of the codes.
func bestMatch(points []keypoint, codes []code, first []uint64, i int, mirrored bool) int {
	p := &points[i]
	c := p.code
	if mirrored {
		c = p.mirrored
	}
	best, second, at := farthest+1, 256, -1
	for j, word := range first {
		d := bits.OnesCount64(c[0] ^ word)
		if d > firstWord {
			continue
		}
		o := &codes[j]
		d += bits.OnesCount64(c[1]^o[1]) + bits.OnesCount64(c[2]^o[2]) + bits.OnesCount64(c[3]^o[3])
		if d >= second {
			continue
		}
		q := &points[j]
		if math.Abs(p.x-q.x)+math.Abs(p.y-q.y) < apart {
			continue
		}
		near := at >= 0 && math.Abs(points[at].x-q.x)+math.Abs(points[at].y-q.y) < apart
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
