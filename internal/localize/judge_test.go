package localize

import (
	"math"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// A network with a judge scores pictures by the features that it names.
func TestJudge(t *testing.T) {
	n := small(t)
	rgb := picture.NewRGB(120, 80)
	for i := range rgb.Pix {
		rgb.Pix[i] = uint8(7 * i)
	}
	if plain := alone(t, n, rgb); plain.Score != nil {
		t.Errorf("a network without a judge gives the score %g", *plain.Score)
	}
	if err := n.SetJudge(&network.Judge{Features: []string{"megapixels", "jpeg"}, Weights: []float64{0.5, 3}, Bias: 1}); err != nil {
		t.Fatal(err)
	}
	out := alone(t, n, rgb)
	if want := numeric.Sigmoid(1 + 0.5*math.Log2(0.0096+0.001)); out.Score == nil || math.Abs(*out.Score-want) > 1e-12 || !out.Calibrated {
		t.Errorf("the score is %v, expected %g", out.Score, want)
	}
	saved, _, err := picture.ThroughJPEG(rgb, 80)
	if err != nil {
		t.Fatal(err)
	}
	if jpeg := alone(t, n, saved.RGB); *jpeg.Score <= *out.Score {
		t.Errorf("a JPEG file has %g, the pixels alone %g", *jpeg.Score, *out.Score)
	}
	if err := n.SetJudge(&network.Judge{Features: []string{"mood"}, Weights: []float64{1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(enginetest.Open(t), n); err == nil || !strings.Contains(err.Error(), `"mood"`) {
		t.Errorf("got %v", err)
	}
	if err := n.SetJudge(&network.Judge{Features: []string{"jpeg"}}); err == nil {
		t.Error("a feature without a weight is taken")
	}
}

// Features are finite for every map, and are those of the picture that Facts is called with.
func TestFacts(t *testing.T) {
	r := &Result{Prob: []float32{0, 1, 0.5, 0.2}, Width: 2, Height: 2, Raw: picture.Map{Prob: []float32{1, 0}, Width: 2, Height: 1}}
	values := Facts(r, picture.NewRGB(2, 2))
	if len(values) != len(JudgeFeatures()) {
		t.Fatalf("%d values for %d features", len(values), len(JudgeFeatures()))
	}
	for i, v := range values {
		if math.IsNaN(v) || math.Abs(v) > 20 {
			t.Errorf("%s is %g", JudgeFeatures()[i], v)
		}
	}
}
