package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/network"
)

// started is the tiny network with given parameters.
type started struct {
	tiny
	params []network.Param
}

func (s started) Params() []network.Param { return s.params }

// Twenty steps must follow PyTorch's: tools/golden/train.py.
func TestStepsFollowPyTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/steps.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Optimizer      string
		Clip           float64
		Images, Target []float32
		Start, End     map[string][]float32
		Losses, Norms  []float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Optimizer, func(t *testing.T) {
			model := started{tiny: newTiny(network.ModeTiles)}
			for _, p := range model.tiny.Params() {
				p.Data = c.Start[p.Name]
				model.params = append(model.params, p)
			}
			config := DefaultConfig()
			config.Optimizer, config.Clip, config.BatchSize, config.WeightDecay = c.Optimizer, c.Clip, 2, 0.1
			rate := 0.01
			if c.Optimizer == SGD {
				config.WeightDecay, rate = 0, 0.1
			}
			shape := dataset.Shape{Height: 16, Width: 16, TargetHeight: 4, TargetWidth: 4}
			s, err := NewStep(open(t), model, config, shape)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			inputs, target := given(t, &dataset.Batch{Images: c.Images, Target: c.Target}, shape)
			for i, want := range c.Losses {
				loss, norm, err := s.Run(context.Background(), inputs, target, int64(i), rate)
				if err != nil {
					t.Fatal(err)
				}
				// Float32 sums in another order, carried through 20 steps.
				if math.Abs(loss-want) > 1e-5*want {
					t.Errorf("loss of step %d is %.8f, want %.8f", i, loss, want)
				}
				if math.Abs(norm-c.Norms[i]) > 1e-4*c.Norms[i] {
					t.Errorf("gradient norm of step %d is %.8f, want %.8f", i, norm, c.Norms[i])
				}
			}
			for _, p := range s.Params() {
				for i, v := range p.Data {
					// AdamW divides by the root of tiny gradients, which magnifies rounding.
					if want := c.End[p.Name][i]; math.Abs(float64(v-want)) > 1e-4 {
						t.Errorf("%s[%d] is %g, want %g", p.Name, i, v, want)
					}
				}
			}
		})
	}
}
