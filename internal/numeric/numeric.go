package numeric

import "math"

// Sigmoid is the probability of a logit: 1/(1+exp(-x)).
func Sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Sigmoid32 is Sigmoid of a float32, computed in float64 and rounded once.
func Sigmoid32(x float32) float32 { return float32(Sigmoid(float64(x))) }

// Logit is the logit of a probability: log(p/(1-p)), with p limited to [margin, 1-margin] so that
// it is finite.
func Logit(p, margin float64) float64 {
	p = min(max(p, margin), 1-margin)
	return math.Log(p / (1 - p))
}

// BlockSide is the side of JPEG's blocks in pixels, the length of the transform that DCTScale and
// DCTWave describe.
const BlockSide = 8

// DCTScale makes cosine function u of BlockSide samples orthonormal (ITU-T T.81, A.3.3).
func DCTScale(u int) float64 {
	if u == 0 {
		return math.Sqrt(1.0 / BlockSide)
	}
	return math.Sqrt(2.0 / BlockSide)
}

// DCTWave is cosine function u, [0, 8), at sample x, [0, 8), before it is scaled.
func DCTWave(u, x int) float64 {
	return math.Cos(float64(2*x+1) * float64(u) * math.Pi / (2 * BlockSide))
}

// DCT is the orthonormal cosine transform of BlockSide samples: [frequency][sample].
var DCT = func() (c [BlockSide][BlockSide]float32) {
	for u := range c {
		for x := range c[u] {
			c[u][x] = float32(DCTScale(u) * DCTWave(u, x))
		}
	}
	return c
}()

// FalseFirst orders false before true, for sorting.
func FalseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
