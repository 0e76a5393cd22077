package copymove

import (
	"context"
	"math"

	"github.com/declip/declip/internal/picture/components"
)

const (
	spreadRadius = 25  // pixels: what a random displacement changes is estimated so far around
	errorRadius  = 1   // pixels over which the squared difference is averaged
	mostEvidence = 3.0 // of one pixel, in logits, for or against the copy
	ownWeight    = 0.5 // of a pixel's evidence,
	nearWeight   = 1.4 // and of the mean of the decisions around it,
	nearRadius   = 5   // pixels to each side that are near
	decideRounds = 6
	decideBias   = 0.03 // against the copy
	farReach     = 0.3  // of the square root of the rough area: what is farther away
	farEvidence  = 0.8  // needs this much more evidence
	leastNoise   = 0.5  // levels squared
	looseNoise   = 2.0  // factor on the noise: what was aligned best has less of it
)

// extent marks where the picture equals its transform by t, near where it does so roughly.
//
// For each pixel it takes the evidence of the squared difference d for a copy, whose differences
// are noise of variance n, against another place nearby, whose differences have the local variance
// v besides. Twice the logarithm of the likelihood ratio of two normal distributions is
// log(1 + v/n) - d/n + d/(n + v). In flat areas, where all places are alike, that is near 0, and
// the pixels around decide: a few rounds of mean-field inference in a Markov random field.
func (s *search) extent(ctx context.Context, t transform, rough area) (area, error) {
	evidence := s.evidence(t, rough)
	state := newPlane(rough.w, rough.h)
	for range decideRounds {
		if err := ctx.Err(); err != nil {
			return area{}, err
		}
		near := state.box(nearRadius)
		for i, e := range evidence.pix {
			x := ownWeight*e + nearWeight*near.pix[i] - decideBias
			state.pix[i] = x / float32(math.Sqrt(float64(1+x*x)))
		}
	}
	out := newArea(rough.window)
	in := func(i int) bool { return state.pix[i] > 0 }
	least := int(leastShare * float64(s.w*s.h))
	for part := range components.Of(rough.w, rough.h, components.Sides, in, in) {
		touched := 0
		for _, i := range part {
			if rough.in[i] {
				touched++
			}
		}
		if len(part) < least || touched < max(len(part)/20, 20) {
			continue
		}
		for _, i := range part {
			out.in[i] = true
		}
	}
	return out, nil
}

// evidence is that of extent for each pixel of the window.
func (s *search) evidence(t transform, rough area) plane {
	a, b := s.smooth.crop(rough.window), warp(s.smooth, t, rough.window)
	gain, offset, noise := tone(a, b, rough)
	errors := newPlane(rough.w, rough.h)
	for i, v := range b.pix {
		if v == v {
			e := a.pix[i] - gain*v - offset
			errors.pix[i] = e * e
		}
	}
	errors = errors.box(errorRadius)
	wide, near := s.spread.crop(rough.window), rough.nearby()
	out := newPlane(rough.w, rough.h)
	scale := 1 / noise
	for i, v := range b.pix {
		if v != v {
			out.pix[i] = -mostEvidence
			continue
		}
		d, v := float64(errors.pix[i])*scale, float64(wide.pix[i])*scale
		l := max(-mostEvidence, min(mostEvidence, math.Log(1+v)-d+d/(1+v)))
		if !near[i] {
			l -= farEvidence
		}
		out.pix[i] = float32(l)
	}
	return out
}

// nearby marks the pixels around which at least 2 % belong to the area.
func (a area) nearby() []bool {
	share := newPlane(a.w, a.h)
	for i, in := range a.in {
		if in {
			share.pix[i] = 1
		}
	}
	share = share.box(int(farReach * math.Sqrt(float64(a.size()))))
	out := make([]bool, len(share.pix))
	for i, v := range share.pix {
		out[i] = v >= 0.02
	}
	return out
}

// tone fits a = gain b + offset over the area, and gives the variance of what remains.
func tone(a, b plane, over area) (gain, offset float32, noise float64) {
	var n, x, y, xx, xy float64
	for i, in := range over.in {
		if u := float64(b.pix[i]); in && u == u {
			v := float64(a.pix[i])
			n, x, y, xx, xy = n+1, x+u, y+v, xx+u*u, xy+u*v
		}
	}
	if n == 0 {
		return 1, 0, leastNoise
	}
	x, y = x/n, y/n
	g := max(0.5, min(2, (xy/n-x*y)/(xx/n-x*x+1e-6)))
	gain, offset = float32(g), float32(y-g*x)
	var rest []float32
	for i, in := range over.in {
		if u := b.pix[i]; in && u == u {
			e := a.pix[i] - gain*u - offset
			rest = append(rest, e*e)
		}
	}
	// The median of a squared normal variable is 0.4549 of its variance.
	return gain, offset, max(leastNoise, looseNoise*float64(median(rest))/0.4549)
}
