//go:build amd64 && (linux || darwin)

package operators

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// trainingSizes are sizes that fill vectors and sizes that do not, and maps smaller than a kernel.
var trainingSizes = []sizes{{1, 1, 0, 1, 1}, {2, 3, 0, 16, 32}, {1, 5, 0, 7, 9}, {3, 2, 0, 33, 70}, {2, 4, 0, 2, 17}, {2, 1, 0, 80, 48}}

// gaussians draws n normal numbers.
func gaussians(random *rand.Rand, n int) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(random.NormFloat64())
	}
	return list
}

// The operators of training steps must agree with sums in float64, and give the same bits again.
func TestTrainingOperators(t *testing.T) {
	for _, kind := range Kinds() {
		for _, s := range trainingSizes {
			t.Run(fmt.Sprintf("%s %v", kind, s), func(t *testing.T) {
				for _, dilation := range []int{1, 2, 8} {
					compareDepthwise(t, kind, s, dilation)
				}
				compareNorm(t, kind, s)
				comparePool(t, kind, s)
			})
		}
	}
}

func compareDepthwise(t *testing.T, kind Kind, s sizes, dilation int) {
	random := rand.New(rand.NewPCG(1, 2))
	n, c, h, w := s[0], s[1], s[3], s[4]
	x, kernel, dy := gaussians(random, n*c*h*w), gaussians(random, 9*c), gaussians(random, n*c*h*w)
	y, dkernel := make([]float64, len(x)), make([]float64, len(kernel))
	for o := range y {
		channel, row, column := o/(h*w)%c, o/w%h, o%w
		for tap := range 9 {
			r, k := row+(tap/3-1)*dilation, column+(tap%3-1)*dilation
			if r < 0 || r >= h || k < 0 || k >= w {
				continue
			}
			v := float64(x[o-row*w-column+r*w+k])
			y[o] += v * float64(kernel[9*channel+tap])
			dkernel[9*channel+tap] += v * float64(dy[o])
		}
	}
	got, err := depthwise(kind, s, dilation, x, kernel, false)
	near(t, fmt.Sprintf("y at dilation %d", dilation), got, y, err)
	got, err = depthwise(kind, s, dilation, x, dy, true)
	near(t, fmt.Sprintf("dkernel at dilation %d", dilation), got, dkernel, err)
	again, err := depthwise(kind, s, dilation, x, dy, true)
	for i := range again {
		if err != nil || again[i] != got[i] {
			t.Fatalf("a second run gives %g for %g, %v", again[i], got[i], err)
		}
	}
}

func compareNorm(t *testing.T, kind Kind, s sizes) {
	random := rand.New(rand.NewPCG(3, 4))
	n, c, plane := s[0], s[1], s[3]*s[4]
	const epsilon = 1e-3
	x, dy, scale := gaussians(random, n*c*plane), gaussians(random, n*c*plane), gaussians(random, c)
	for i := range x {
		x[i] += 40 // a mean far larger than the spread
	}
	mean, variance := make([]float64, c), make([]float64, c)
	each := func(f func(i, channel int)) {
		for i := range x {
			f(i, i/plane%c)
		}
	}
	count := float64(n * plane)
	each(func(i, k int) { mean[k] += float64(x[i]) / count })
	each(func(i, k int) { variance[k] += (float64(x[i]) - mean[k]) * (float64(x[i]) - mean[k]) / count })
	gotMean, gotVariance, err := batchMoments(kind, s, x)
	near(t, "mean", gotMean, mean, err)
	near(t, "variance", gotVariance, variance, err)
	for i := range mean { // the gradients are those for the moments that are given
		mean[i], variance[i] = float64(gotMean[i]), float64(gotVariance[i])
	}
	dscale, dbias, dx := make([]float64, c), make([]float64, c), make([]float64, len(x))
	normal := func(i, k int) float64 { return (float64(x[i]) - mean[k]) / math.Sqrt(variance[k]+epsilon) }
	each(func(i, k int) {
		dbias[k] += float64(dy[i])
		dscale[k] += float64(dy[i]) * normal(i, k)
	})
	each(func(i, k int) {
		dx[i] = float64(scale[k]) / math.Sqrt(variance[k]+epsilon) * (float64(dy[i]) - dbias[k]/count - normal(i, k)*dscale[k]/count)
	})
	gotX, gotScale, gotBias, err := batchGradient(kind, s, x, scale, gotMean, gotVariance, dy, epsilon)
	near(t, "dscale", gotScale, dscale, err)
	near(t, "dbias", gotBias, dbias, err)
	if count > 1 { // of one value, dx is 0 but for rounding
		near(t, "dx", gotX, dx, err)
	}
}

func comparePool(t *testing.T, kind Kind, s sizes) {
	random := rand.New(rand.NewPCG(5, 6))
	n, c, h, w := s[0], s[1], s[3], s[4]
	down, across := (h+1)/2, (w+1)/2
	x, dy := gaussians(random, n*c*h*w), gaussians(random, n*c*down*across)
	for i := range x {
		x[i] = max(0, x[i]) // zeros, as behind a ReLU: the first of equal ones counts
	}
	y, dx, dr := make([]float32, len(dy)), make([]float64, len(x)), make([]float64, len(x))
	for o := range y {
		plane, row, column := o/(down*across)*h*w, o/across%down, o%across
		at := -1
		for tap := range 9 {
			r, k := 2*row-1+tap/3, 2*column-1+tap%3
			if r < 0 || r >= h || k < 0 || k >= w {
				continue
			}
			if i := plane + r*w + k; at < 0 || x[i] > x[at] {
				at = i
			}
		}
		y[o] = x[at]
		dx[at] += float64(dy[o])
	}
	got, err := poolGradient(kind, s, x, y, dy)
	near(t, "dx of maxima", got, dx, err)
	d := gaussians(random, len(x))
	for i, v := range x {
		if v > 0 {
			dr[i] = float64(d[i])
		}
	}
	got, err = reluGradient(kind, x, d)
	near(t, "dx of a ReLU", got, dr, err)
}
