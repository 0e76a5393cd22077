package copymove

import (
	"math"
	"slices"
)

const (
	likeness = 0.85 // correlation of two windows above which they count as the same
	flatness = 4.0  // levels squared: a window of less variance says nothing
	window   = 4    // radius in pixels of the windows that are correlated
	surround = 6    // radius in pixels over which windows vote
	core     = 0.6  // share of the votes that makes a place a copy
	rim      = 0.45 // the same where it touches such a place

	leastShare  = 0.003 // of the picture that a copy covers
	leastInside = 9     // matches within a copy
)

// copied marks where the plane equals what t brings there, if that is a copy. Parts that merely look alike, such as
// windows of a house, differ by more than saving a picture does.
func copied(p plane, t transform, agreeing []match) (mask []bool, ok bool) {
	votes, errors := correlate(p, warp(p, t))
	share := votes.box(surround)
	mask = parts(share, int(leastShare*float64(p.w*p.h)))
	var differences []float32
	area, inside := 0, 0
	for i, in := range mask {
		if in {
			area++
			if votes.pix[i] == 1 {
				differences = append(differences, errors.pix[i])
			}
		}
	}
	for _, m := range agreeing {
		if x, y := int(m.to.x+.5), int(m.to.y+.5); x >= 0 && y >= 0 && x < p.w && y < p.h && mask[y*p.w+x] {
			inside++
		}
	}
	if len(differences) == 0 || inside < leastInside || 20*inside < 17*len(agreeing) {
		return nil, false
	}
	// The limits were set on photographs and on copies of all kinds: median differences of copies are 0 to 3 levels
	// squared, most under 1, those of look-alikes above 2 where matches are few.
	slices.Sort(differences)
	median := differences[len(differences)/2]
	density := 1000 * float64(inside) / float64(area)
	return mask, median < 2 && density > 0.5 || median < 3 && density > 1.2
}

// warp brings the plane through t; where nothing comes from, it is NaN.
func warp(p plane, t transform) plane {
	out, back := newPlane(p.w, p.h), t.inverse()
	nan := float32(math.NaN())
	for y := range p.h {
		for x := range p.w {
			fx, fy := back.apply(float64(x), float64(y))
			v, ok := p.sample(fx, fy)
			if !ok {
				v = nan
			}
			out.pix[y*p.w+x] = v
		}
	}
	return out
}

// correlate compares two planes window by window. votes are 1 where they correlate, 0 where they don't, and 0.42
// where both are flat and alike; errors are what is left of a's variance, in levels squared, after b's is taken out.
func correlate(a, b plane) (votes, errors plane) {
	aa, bb, ab, filled := newPlane(a.w, a.h), newPlane(a.w, a.h), newPlane(a.w, a.h), newPlane(a.w, a.h)
	for i, v := range b.pix {
		if v != v {
			v = a.pix[i] // does not count: its votes are left at 0
		}
		filled.pix[i] = v
		aa.pix[i], bb.pix[i], ab.pix[i] = a.pix[i]*a.pix[i], v*v, a.pix[i]*v
	}
	ma, mb := a.box(window), filled.box(window)
	aa, bb, ab = aa.box(window), bb.box(window), ab.box(window)
	votes, errors = newPlane(a.w, a.h), newPlane(a.w, a.h)
	for i := range votes.pix {
		va, vb := aa.pix[i]-ma.pix[i]*ma.pix[i], bb.pix[i]-mb.pix[i]*mb.pix[i]
		cov := ab.pix[i] - ma.pix[i]*mb.pix[i]
		if b.pix[i] != b.pix[i] {
			continue
		}
		switch {
		case va < flatness && vb < flatness:
			if math.Abs(float64(ma.pix[i]-mb.pix[i])) < 6 {
				votes.pix[i] = 0.42
			}
		case cov > 0 && cov*cov > likeness*likeness*va*vb:
			votes.pix[i] = 1
			errors.pix[i] = va - cov*cov/vb
		}
	}
	return votes, errors
}

// parts are the connected places above rim that hold at least so many pixels above core.
func parts(share plane, least int) []bool {
	mask, seen := make([]bool, len(share.pix)), make([]bool, len(share.pix))
	var part []int
	for start, v := range share.pix {
		if v <= core || seen[start] {
			continue
		}
		part = append(part[:0], start)
		seen[start] = true
		strong := 0
		for k := 0; k < len(part); k++ {
			if share.pix[part[k]] > core {
				strong++
			}
			x, y := part[k]%share.w, part[k]/share.w
			for _, n := range [4][2]int{{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}} {
				if n[0] < 0 || n[1] < 0 || n[0] >= share.w || n[1] >= share.h {
					continue
				}
				if i := n[1]*share.w + n[0]; share.pix[i] > rim && !seen[i] {
					seen[i] = true
					part = append(part, i)
				}
			}
		}
		if strong < least {
			continue
		}
		for _, i := range part {
			mask[i] = true
		}
	}
	return mask
}
