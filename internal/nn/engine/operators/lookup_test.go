//go:build amd64 && (linux || darwin)

package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// The lookup must agree with sums over the planes in float64: for the published numbers of channels
// and others, widths that fill vectors and widths that do not, and coefficients above the last
// plane.
func TestFrequencyFeatures(t *testing.T) {
	for _, kind := range Kinds() {
		for _, s := range []sizes{{1, 64, 4, 24, 40}, {2, 64, 4, 8, 8}, {1, 7, 3, 16, 24}, {1, 33, 8, 8, 48}, {1, 16, 1, 32, 16}} {
			for _, threads := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s %v %d threads", kind, s, threads), func(t *testing.T) { compareLookup(t, kind, s, threads) })
			}
		}
	}
}

func compareLookup(t *testing.T, kind Kind, s sizes, threads int) {
	random := rand.New(rand.NewPCG(5, 6))
	draw := func(n int) []float32 {
		list := make([]float32, n)
		for i := range list {
			list[i] = float32(random.NormFloat64())
		}
		return list
	}
	x, kernel, scale, bias := draw(s[0]*s[3]*s[4]), draw(s[1]*21*9), draw(s[1]), draw(s[1])
	mix, outScale, outBias := draw(s[2]*s[1]), draw(s[2]), draw(s[2])
	for i, v := range x {
		x[i] = float32(math.Round(float64(v * v * v * 6)))
	}
	want := make([]float64, s[0]*s[2]*s[3]*s[4])
	h, w := s[3], s[4]
	for i := range x {
		n, row, column := i/(h*w), i/w%h, i%w
		out := make([]float64, s[2])
		for c := range s[1] {
			inner := 0.0
			for tap := range 9 {
				from, at := row+(tap/3-1)*8, column+(tap%3-1)*8
				if from < 0 || from >= h || at < 0 || at >= w {
					continue
				}
				plane := int(min(math.Abs(float64(x[(n*h+from)*w+at])), 20))
				inner += float64(kernel[(c*21+plane)*9+tap])
			}
			inner = max(0, inner*float64(scale[c])+float64(bias[c]))
			for o := range out {
				out[o] += inner * float64(mix[o*s[1]+c])
			}
		}
		for o, v := range out {
			channel := o*64 + row%8*8 + column%8
			want[((n*s[2]*64+channel)*(h/8)+row/8)*(w/8)+column/8] = max(0, v*float64(outScale[o])+float64(outBias[o]))
		}
	}
	got, err := frequencyFeatures(kind, s, x, kernel, scale, bias, mix, outScale, outBias, threads)
	near(t, "y", got, want, err)
}
