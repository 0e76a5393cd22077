package metric

import (
	"math"
	"testing"
)

func near(a, b float64) bool {
	return math.Abs(a-b) < 1e-12 || math.IsNaN(a) && math.IsNaN(b)
}

// The expected scores are those of scikit-learn 1.5: f1_score, balanced_accuracy_score,
// matthews_corrcoef.
func TestPlainScores(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		prob            []float32
		truth           []bool
		f1, balanced, m float64
	}{
		"half right":   {[]float32{0.9, 0.1, 0.8, 0.7}, []bool{true, true, true, false}, 2. / 3, 1. / 3, -1. / 3},
		"all right":    {[]float32{0.9, 0.1, 0.2, 0.7}, []bool{true, false, false, true}, 1, 1, 1},
		"all wrong":    {[]float32{0.1, 0.9}, []bool{true, false}, 0, 0, -1},
		"nothing said": {[]float32{0.1, 0.2, 0.3}, []bool{true, false, false}, 0, 0.5, 0},
		"full mask":    {[]float32{0.9, 0.1}, []bool{true, true}, 2. / 3, nan, 0},
	} {
		r, err := Evaluate(c.prob, c.truth, len(c.prob), 1, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		if !near(r.F1Plain, c.f1) || !near(r.BalancedAccuracy, c.balanced) || !near(r.MCC, c.m) {
			t.Errorf("%s: F1 %g, balanced accuracy %g, MCC %g, expected %g, %g, %g", name, r.F1Plain, r.BalancedAccuracy, r.MCC, c.f1, c.balanced, c.m)
		}
		var p Pooled
		p.Add(r)
		if !near(p.F1(), c.f1) || !near(p.BalancedAccuracy(), c.balanced) || !near(p.MCC(), c.m) || !near(p.IoU(), r.IoU) || p.Count() != 1 {
			t.Errorf("%s: pooled alone, the scores differ", name)
		}
	}
}

// Pooled scores are those of one picture with all pixels.
func TestPooledScores(t *testing.T) {
	prob := []float32{0.9, 0.1, 0.8, 0.7, 0.2, 0.6}
	truth := []bool{true, true, true, false, false, false}
	whole, err := Evaluate(prob, truth, len(prob), 1, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	var p Pooled
	for _, cut := range [][2]int{{0, 1}, {1, 4}, {4, 6}} {
		r, err := Evaluate(prob[cut[0]:cut[1]], truth[cut[0]:cut[1]], cut[1]-cut[0], 1, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		p.Add(r)
	}
	if !near(p.F1(), whole.F1Plain) || !near(p.IoU(), whole.IoU) || !near(p.BalancedAccuracy(), whole.BalancedAccuracy) || !near(p.MCC(), whole.MCC) {
		t.Errorf("pooled: F1 %g, IoU %g, balanced accuracy %g, MCC %g, expected %+v", p.F1(), p.IoU(), p.BalancedAccuracy(), p.MCC(), whole)
	}
}
