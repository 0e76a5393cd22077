package copymove

import "math"

const (
	leastShare = 0.001 // of the picture that a copy covers
	leastScore = 0.0   // of pairs that are reported: more likely a copy than not
	mostCommon = 0.5   // of the area, that it is a copy of, too; one of 1800 copies has more
	leastError = 0.2   // levels squared, added for the logarithm
	leastSkew  = 0.01  // added for the logarithm
)

// measures of a candidate, of which its score is a linear function.
type measures struct {
	err     float64 // logarithm of the median error, levels squared
	least   float64 // logarithm of the lower quartile of the errors, levels squared
	fine    float64 // Fisher's transform of the likeness of the finest detail
	matches float64 // logarithm of the number of matches
	corners float64 // logarithm of the number of keypoints, matched or not
	size    float64 // logarithm of the area in pixels
	picture float64 // logarithm of the picture's size in pixels
	overlap float64 // square root of the share of the area that it is a copy of, too
	skew    float64 // logarithm of how far the transform is from keeping shapes
}

// weights of the measures, and an intercept, give a candidate's score, a logit.
type weights struct {
	intercept float64
	measures
}

// The weights come from logistic regressions on the candidates in 420 pictures with copies or
// fillings by example, made from photographs of the training split, and in 587 of these photographs
// themselves. The intercepts are 1 lower than fitted, because few pictures outside that sample
// contain copies.
var (
	byKeypoints = weights{10.576, measures{
		err: -0.538, least: -0.341, fine: 0.677, matches: 1.279, corners: 0.241, size: -0.858, picture: -0.808, overlap: -4.248, skew: -0.348,
	}}
	byShifts = weights{7.394, measures{
		least: -1.324, fine: 0.109, matches: 0.595, corners: 1.056, size: -1.222, picture: -0.659, overlap: -4.301, skew: -0.864,
	}}
)

func (w weights) score(m measures) float64 {
	return w.intercept + w.err*m.err + w.least*m.least + w.fine*m.fine + w.matches*m.matches +
		w.corners*m.corners + w.size*m.size + w.picture*m.picture + w.overlap*m.overlap + w.skew*m.skew
}

// judge scores the area in the window to which t maps. Matches are counted within that area, those
// of pieces everywhere.
func (s *search) judge(t transform, win window, c candidate) twin {
	out := twin{transform: t, rough: s.roughly(win, t), score: math.Inf(-1)}
	size, common := out.rough.size(), t.overlap(out.rough)
	if size < leastRough || common > mostCommon {
		return out
	}
	votes, errors := correlate(s.smooth.crop(win), warp(s.smooth, t, win))
	var differences []float32
	for i, in := range out.rough.in {
		if in && votes.pix[i] == 1 {
			differences = append(differences, max(errors.pix[i], 0))
		}
	}
	if len(differences) == 0 {
		return out
	}
	w, n := byKeypoints, 0
	if c.piece {
		w = byShifts
	}
	for _, m := range t.fitting(c.matches) {
		if c.piece || out.rough.holds(m.to) {
			n++
		}
	}
	out.score = w.score(measures{
		err:     math.Log(float64(median(differences)) + leastError),
		least:   math.Log(float64(fromBottom(differences, (len(differences)-1)/4)) + leastError),
		fine:    math.Atanh(min(s.fine.likeness(t, out.rough), 0.99)),
		matches: math.Log(float64(n + 1)),
		corners: math.Log(float64(s.corners(out.rough) + 1)),
		size:    math.Log(float64(size)),
		picture: math.Log(float64(s.w * s.h)),
		overlap: math.Sqrt(common),
		skew:    math.Log(t.skew() + leastSkew),
	})
	return out
}

// corners is the number of the picture's keypoints in the area.
func (s *search) corners(a area) int {
	n := 0
	for i := range s.points {
		if a.holds(&s.points[i]) {
			n++
		}
	}
	return n
}

// overlap is the share of the area that t maps from the area itself. Copies rarely cover what they
// were made from. What repeats in a picture at every step, such as a row of windows, does, and so
// does what is symmetric.
func (t transform) overlap(a area) float64 {
	back := t.inverse()
	n, both := 0, 0
	for i, in := range a.in {
		if !in {
			continue
		}
		n++
		x, y := back.apply(float64(a.x+i%a.w), float64(a.y+i/a.w))
		if a.has(int(math.Round(x)), int(math.Round(y))) {
			both++
		}
	}
	return float64(both) / float64(max(n, 1))
}
