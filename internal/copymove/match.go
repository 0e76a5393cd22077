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
}

const (
	farthest   = 56 // differing outcomes of 256 at most
	ratio      = 0.8
	apart      = 20.0 // pixels: closer ones look alike because they overlap
	firstWords = 34   // differing outcomes of the first 128 at most: spares most of the work
)

// matches finds for each keypoint the one elsewhere that looks most like it, or like its mirror image, where no third place
// comes near.
func matches(points []keypoint, mirrored bool) []match {
	workers := runtime.GOMAXPROCS(0)
	parts := make([][]match, workers)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := w * len(points) / workers; i < (w+1)*len(points)/workers; i++ {
				if j := bestMatch(points, i, mirrored); j >= 0 {
					parts[w] = append(parts[w], match{&points[i], &points[j]})
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

// bestMatch is the index of the match, or -1.
func bestMatch(points []keypoint, i int, mirrored bool) int {
	p := &points[i]
	c := p.code
	if mirrored {
		c = p.mirrored
	}
	best, second, at := farthest+1, 256, -1
	for j := range points {
		q := &points[j]
		d := bits.OnesCount64(c[0]^q.code[0]) + bits.OnesCount64(c[1]^q.code[1])
		if d > firstWords {
			continue
		}
		d += bits.OnesCount64(c[2]^q.code[2]) + bits.OnesCount64(c[3]^q.code[3])
		if d >= second || math.Abs(p.x-q.x)+math.Abs(p.y-q.y) < apart {
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
