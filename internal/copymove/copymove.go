// Package copymove finds parts of a picture that appear in it twice: moved, turned, scaled, mirrored.
//
// Corners on several scales are described by binary codes that turn with them; each is compared with all others. Where
// several agree on one map of the plane, the picture is laid over itself by that map, and the places where both are the
// same but for what saving a picture does to it are a copy and its original. Which is which, the match does not say.
package copymove

import (
	"math"

	"golang.org/x/sync/errgroup"

	"github.com/declip/declip/internal/picture"
)

// Pair is a part of the picture and its twin, as masks of a grid [Height, Width] laid over the picture.
type Pair struct {
	One, Other    []bool
	Width, Height int
}

// mostPixels bounds the plane that is searched; larger pictures are made smaller.
const mostPixels = 1_100_000

// Find finds the pairs in a picture. Pictures under 60 pixels on a side have none.
func Find(rgb *picture.RGB) []Pair {
	p := luma(rgb)
	if n := rgb.Width * rgb.Height; n > mostPixels {
		f := math.Sqrt(mostPixels / float64(n))
		p = luma(picture.Resize(rgb, max(1, int(f*float64(rgb.Width))), max(1, int(f*float64(rgb.Height)))))
	}
	if min(p.w, p.h) < 4*reach {
		return nil
	}
	points, smooth := keypoints(p), p.blurred()
	var pairs [2][]Pair
	var group errgroup.Group
	for i, mirrored := range []bool{false, true} {
		group.Go(func() error {
			list := matches(points, mirrored)
			for _, t := range transforms(list, mirrored) {
				if mask, ok := copied(smooth, t, t.fitting(list)); ok {
					pairs[i] = append(pairs[i], Pair{One: backTo(mask, p.w, p.h, t), Other: mask, Width: p.w, Height: p.h})
				}
			}
			return nil
		})
	}
	_ = group.Wait() // there are no errors
	return append(pairs[0], pairs[1]...)
}

// backTo marks what t takes into the mask.
func backTo(mask []bool, w, h int, t transform) []bool {
	out := make([]bool, len(mask))
	for y := range h {
		for x := range w {
			fx, fy := t.apply(float64(x), float64(y))
			i, j := int(math.Round(fx)), int(math.Round(fy))
			out[y*w+x] = i >= 0 && j >= 0 && i < w && j < h && mask[j*w+i]
		}
	}
	return out
}

// How sure a copy makes of a manipulation: one of the twins was made from the other, more likely the one that the
// network finds the stranger of the two.
const (
	strange  = 0.95
	familiar = 0.6
)

// Mark raises the probabilities [height, width] of the pixels that belong to pairs.
func Mark(prob []float32, width, height int, pairs []Pair) {
	for _, p := range pairs {
		one, other := float32(strange), float32(familiar)
		if p.mean(p.One, prob, width, height) < p.mean(p.Other, prob, width, height) {
			one, other = other, one
		}
		p.each(width, height, func(i, cell int) {
			if p.One[cell] {
				prob[i] = max(prob[i], one)
			}
			if p.Other[cell] {
				prob[i] = max(prob[i], other)
			}
		})
	}
}

// mean is the mean probability under a mask.
func (p Pair) mean(mask []bool, prob []float32, width, height int) float64 {
	sum, n := 0.0, 1e-9
	p.each(width, height, func(i, cell int) {
		if mask[cell] {
			sum, n = sum+float64(prob[i]), n+1
		}
	})
	return sum / n
}

// each calls f for every pixel with the cell of the grid that it lies in.
func (p Pair) each(width, height int, f func(i, cell int)) {
	for y := range height {
		row := y * p.Height / height * p.Width
		for x := range width {
			f(y*width+x, row+x*p.Width/width)
		}
	}
}
