//go:build amd64 && (linux || darwin)

package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// The builds for every kind of processor, gradients included, must agree with direct sums in
// float64: for sizes that fill tiles and panels and sizes that do not, maps smaller than a kernel,
// several pictures, and more threads than work.
func TestPlainSums(t *testing.T) {
	for _, kind := range Kinds() {
		for _, s := range []sizes{{1, 16, 16, 1, 1}, {2, 16, 32, 16, 16}, {1, 32, 80, 7, 9}, {3, 48, 16, 4, 4}, {1, 144, 96, 2, 34}, {2, 80, 144, 20, 18}} {
			for _, taps := range []int{3, 5} {
				for _, threads := range []int{1, 2, 5} {
					t.Run(fmt.Sprintf("%s %v %d taps %d threads", kind, s, taps, threads), func(t *testing.T) { compare(t, kind, s, taps, threads) })
				}
			}
		}
	}
}

func compare(t *testing.T, kind Kind, s sizes, taps, threads int) {
	random := rand.New(rand.NewPCG(3, 4))
	draw := func(n int) []float32 {
		list := make([]float32, n)
		for i := range list {
			list[i] = float32(random.NormFloat64())
		}
		return list
	}
	x, kernel, dy := draw(s[0]*s[1]*s[3]*s[4]), draw(s[1]*s[2]*taps*taps), draw(s[0]*s[2]*s[3]*s[4])
	scale, bias, sum := draw(s[2]), draw(s[2]), draw(s[0]*s[2]*s[3]*s[4])
	y, dx, dkernel := plainSums(s, taps, x, kernel, dy)
	plane := s[3] * s[4]
	scaled, added := make([]float64, len(y)), make([]float64, len(y))
	for i, v := range y {
		k := i / plane % s[2]
		v = v*float64(scale[k]) + float64(bias[k])
		scaled[i], added[i] = max(0, v), max(0, v+float64(sum[i]))
	}
	got, err := convolution{taps: taps}.run(kind, s, x, kernel, threads)
	near(t, "y", got, y, err)
	got, err = convolution{taps: taps, scale: scale, bias: bias, relu: true}.run(kind, s, x, kernel, threads)
	near(t, "y with scale, bias and ReLU", got, scaled, err)
	got, err = convolution{taps: taps, scale: scale, bias: bias, sum: sum, relu: true}.run(kind, s, x, kernel, threads)
	near(t, "y with scale, bias, another map and ReLU", got, added, err)
	if taps == 3 {
		return // gradients are those of 5 x 5
	}
	back := sizes{s[0], s[2], s[1], s[3], s[4]}
	got, err = convolution{taps: taps, adjoint: true}.run(kind, back, dy, kernel, threads)
	near(t, "dx", got, dx, err)
	got, err = kernelGradient(kind, s, x, dy, threads)
	near(t, "dkernel", got, dkernel, err)
}

// plainSums computes every product.
func plainSums(s sizes, taps int, x, kernel, dy []float32) (y, dx, dkernel []float64) {
	y, dx, dkernel = make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(kernel))
	h, w := s[3], s[4]
	for o := range y {
		n, k, row, column := o/(s[2]*h*w), o/(h*w)%s[2], o/w%h, o%w
		for c := range s[1] {
			for tap := range taps * taps {
				from, at := row+tap/taps-taps/2, column+tap%taps-taps/2
				if from < 0 || from >= h || at < 0 || at >= w {
					continue
				}
				i, j := ((n*s[1]+c)*h+from)*w+at, (k*s[1]+c)*taps*taps+tap
				y[o] += float64(x[i]) * float64(kernel[j])
				dx[i] += float64(dy[o]) * float64(kernel[j])
				dkernel[j] += float64(dy[o]) * float64(x[i])
			}
		}
	}
	return y, dx, dkernel
}

func near(t *testing.T, what string, got []float32, want []float64, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	for i, v := range want {
		if d := math.Abs(float64(got[i]) - v); !(d <= 2e-5*largest) {
			t.Fatalf("%s[%d] is %g, expected %g", what, i, got[i], v)
		}
	}
}

// NaN must stay NaN, or an error would go unnoticed.
func TestNaNStays(t *testing.T) {
	s := sizes{1, 16, 16, 4, 4}
	x := make([]float32, s[1]*s[3]*s[4])
	x[5] = float32(math.NaN())
	kernel, zeros := make([]float32, s[1]*s[2]*25), make([]float32, s[2]*s[3]*s[4])
	for i := range kernel {
		kernel[i] = -1
	}
	for _, kind := range Kinds() {
		for _, c := range []convolution{{taps: 5, relu: true}, {taps: 3, relu: true}, {taps: 3, relu: true, sum: zeros}} {
			y, err := c.run(kind, s, x, kernel, 1)
			if err != nil {
				t.Fatal(err)
			}
			if v := y[5]; v == v {
				t.Errorf("%s, %d taps: got %g, expected NaN", kind, c.taps, v)
			}
		}
	}
}
