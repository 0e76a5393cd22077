//go:build amd64 && (linux || darwin)

package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// The operator must agree with sums and tangents in float64: for sizes that fill vectors and work
// items and sizes that do not, several pictures, taps of 0, and arguments beyond the last one that
// differs from 1.
func TestConvolveTanh(t *testing.T) {
	for _, kind := range Kinds() {
		for _, s := range []sizes{{1, 3, 8, 1, 1}, {2, 3, 8, 33, 67}, {1, 1, 1, 8, 64}, {3, 4, 16, 7, 9}, {1, 2, 5, 17, 130}} {
			for _, threads := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s %v %d threads", kind, s, threads), func(t *testing.T) { compareTanh(t, kind, s, threads) })
			}
		}
	}
}

func compareTanh(t *testing.T, kind Kind, s sizes, threads int) {
	random := rand.New(rand.NewPCG(7, 8))
	x, kernel := gaussians(random, s[0]*s[1]*s[3]*s[4]), gaussians(random, s[1]*s[2]*9)
	for i := range kernel {
		kernel[i] *= float32(i%3) / 2
	}
	h, w := s[3], s[4]
	got, err := tanhOfConvolution(kind, s, x, kernel, threads)
	if err != nil {
		t.Fatal(err)
	}
	for o, v := range got {
		n, k, row, column := o/(s[2]*h*w), o/(h*w)%s[2], o/w%h, o%w
		sum := 0.0
		for c := range s[1] {
			for tap := range 9 {
				from, at := row+tap/3-1, column+tap%3-1
				if from < 0 || from >= h || at < 0 || at >= w {
					continue
				}
				sum += float64(x[((n*s[1]+c)*h+from)*w+at]) * float64(kernel[(k*s[1]+c)*9+tap])
			}
		}
		if d := math.Abs(float64(v) - math.Tanh(sum)); !(d <= 2e-6) {
			t.Fatalf("y[%d] is %g, expected %g", o, v, math.Tanh(sum))
		}
	}
}

// The tangent is accurate over its whole range, never beyond 1, and keeps NaN.
func TestTanhRange(t *testing.T) {
	const n = 1 << 16
	x, identity := make([]float32, n), make([]float32, 9)
	identity[4] = 1
	for i := range x {
		x[i] = (float32(i) - n/2) / (n / 2) * 12
	}
	inf := float32(math.Inf(1))
	x[0], x[1], x[2] = float32(math.NaN()), -inf, inf
	for _, kind := range Kinds() {
		y, err := tanhOfConvolution(kind, sizes{1, 1, 1, 1, n}, x, identity, 1)
		if err != nil {
			t.Fatal(err)
		}
		if y[0] == y[0] || y[1] != -1 || y[2] != 1 {
			t.Errorf("%s: got %g, %g, %g for NaN and the infinities", kind, y[0], y[1], y[2])
		}
		worst := 0.0
		for i, v := range x[3:] {
			worst = max(worst, math.Abs(float64(y[i+3])-math.Tanh(float64(v))))
		}
		if t.Logf("%s: largest error %.2g", kind, worst); !(worst <= 4e-7) {
			t.Errorf("%s: largest error %.2g, expected at most 4e-7", kind, worst)
		}
	}
}
