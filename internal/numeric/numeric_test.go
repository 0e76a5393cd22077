package numeric

import (
	"math"
	"testing"
)

func TestSigmoidAndLogit(t *testing.T) {
	for _, x := range []float64{-30, -2.5, 0, 1, 7} {
		p := Sigmoid(x)
		if got := Logit(p, 1e-15); math.Abs(got-x) > 1e-9*max(1, math.Abs(x)) {
			t.Errorf("logit of the sigmoid of %g is %g", x, got)
		}
		if got := Sigmoid32(float32(x)); got != float32(p) {
			t.Errorf("float32 sigmoid of %g is %g, expected %g", x, got, float32(p))
		}
	}
	if got, want := Logit(0, 1e-6), Logit(1e-6, 0); got != want {
		t.Errorf("logit of 0 is %g, expected %g", got, want)
	}
	if got := Logit(1, 1e-6); math.IsInf(got, 0) || math.Abs(got+Logit(0, 1e-6)) > 1e-6 {
		t.Errorf("logit of 1 is %g", got)
	}
}

// The functions are orthonormal.
func TestDCT(t *testing.T) {
	for u := range BlockSide {
		for v := range BlockSide {
			sum, want := 0.0, 0.0
			if u == v {
				want = 1
			}
			for x := range BlockSide {
				sum += float64(DCT[u][x]) * float64(DCT[v][x])
			}
			if math.Abs(sum-want) > 1e-6 {
				t.Errorf("functions %d and %d: product %g, expected %g", u, v, sum, want)
			}
		}
	}
}

func TestFalseFirst(t *testing.T) {
	for _, c := range []struct {
		a, b bool
		want int
	}{{false, false, 0}, {true, true, 0}, {false, true, -1}, {true, false, 1}} {
		if got := FalseFirst(c.a, c.b); got != c.want {
			t.Errorf("%v, %v: %d, expected %d", c.a, c.b, got, c.want)
		}
	}
}
