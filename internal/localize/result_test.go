package localize

import (
	"math/rand/v2"
	"testing"

	"github.com/declip/declip/internal/metric"
)

func TestScoreTellsWhatIsFlagged(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		prob := make([]float32, 1+r.IntN(1000))
		for i := range prob {
			prob[i] = float32(r.IntN(50)) / 49
		}
		threshold := float64(float32(1+r.IntN(48)) / 49)
		result := Result{Width: len(prob), Height: 1, Prob: prob, Threshold: threshold}
		if err := result.measure(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if flagged := metric.Flagged(prob, threshold) > metric.FlagShare; flagged != (result.Score > threshold) {
			t.Fatalf("%d pixels, threshold %g: score %g, but flagged is %v", len(prob), threshold, result.Score, flagged)
		}
	}
}
