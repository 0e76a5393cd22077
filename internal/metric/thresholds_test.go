package metric

import (
	"math"
	"math/rand/v2"
	"testing"
)

// At every threshold the score is the one that Evaluate gives there; both count whole pixels, so
// they agree exactly. Some probabilities equal a threshold.
func TestF1AtEvaluate(t *testing.T) {
	const w, h = 61, 47
	r := rand.New(rand.NewPCG(4, 2))
	prob, truth := make([]float32, w*h), make([]bool, w*h)
	for i := range prob {
		x, y := i%w, i/w
		truth[i] = x > 12 && x < 45 && y > 8 && y < 40
		prob[i] = float32(r.IntN(65)) / 64
		if truth[i] && r.IntN(2) == 0 {
			prob[i] = 1 - prob[i]*prob[i]
		}
	}
	thresholds := []float64{0, 0.125, 0.3, 0.5, 0.75, 0.9, 1}
	scores, err := F1At(prob, truth, w, h, thresholds)
	if err != nil {
		t.Fatal(err)
	}
	for i, threshold := range thresholds {
		r, err := Evaluate(prob, truth, w, h, threshold)
		if err != nil {
			t.Fatal(err)
		}
		if scores[i] != r.F1Fixed {
			t.Errorf("threshold %g: F1 %g, expected %g", threshold, scores[i], r.F1Fixed)
		}
	}
}

func TestF1AtRefuses(t *testing.T) {
	if _, err := F1At(make([]float32, 5), make([]bool, 6), 3, 2, []float64{0.5}); err == nil {
		t.Error("a map of another size than its mask is taken")
	}
	if _, err := F1At(make([]float32, 6), make([]bool, 6), 3, 2, []float64{0.5, 0.4}); err == nil {
		t.Error("falling thresholds are taken")
	}
	if _, err := F1At([]float32{0, float32(math.NaN())}, make([]bool, 2), 2, 1, []float64{0.5}); err == nil {
		t.Error("a probability that is not a number is taken")
	}
}
