package forge

import (
	"math"
	"math/rand/v2"
)

// dice is the source of all draws of one picture.
type dice struct{ *rand.Rand }

// newDice returns the draws of stream index under seed.
func newDice(seed, index uint64) dice {
	return dice{rand.New(rand.NewPCG(mix(seed), mix(index^0x6a09e667f3bcc908)))}
}

// mix spreads neighbouring numbers over all 64 bits (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (d dice) chance(p float64) bool { return d.Float64() < p }

func (d dice) uniform(a, b float64) float64 { return a + (b-a)*d.Float64() }

func (d dice) logUniform(a, b float64) float64 {
	return a * math.Exp(d.Float64()*math.Log(b/a))
}

// between draws an integer in [a,b]; a where b < a.
func (d dice) between(a, b int) int {
	if b <= a {
		return a
	}
	return a + d.IntN(b-a+1)
}

func (d dice) sign() float64 {
	if d.chance(0.5) {
		return -1
	}
	return 1
}

// weighted draws an index with the given weights.
func (d dice) weighted(weights ...float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	u := d.Float64() * sum
	for i, w := range weights {
		if u < w {
			return i
		}
		u -= w
	}
	return len(weights) - 1
}

// drawShare draws the share of the picture to manipulate: nearly log-uniform between the two
// limits, with a median of about 6 % over [MinShare, MaxShare].
func (d dice) drawShare(limits [2]float64) float64 {
	return limits[0] * math.Exp(math.Pow(d.Float64(), 0.82)*math.Log(limits[1]/limits[0]))
}

// round3 keeps the manifest readable.
func round3(x float64) float64 { return math.Round(x*1000) / 1000 }
