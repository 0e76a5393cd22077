package localize

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// counting is a context that ends at the n-th look at it.
type counting struct {
	context.Context
	looks atomic.Int64
	n     int64
}

func (c *counting) Err() error {
	if c.looks.Add(1) >= c.n {
		return context.Canceled
	}
	return nil
}

// afterTheEnd is how often an ended context is looked at again: once, for the cause.
const afterTheEnd = 1

// Steps without a network look at their context at least once for each pass over the picture or a
// map of its size, and stop at the look that finds it ended. At 24 megapixels a pass takes up to 60
// ms on a busy processor.
func TestStepsLookAtTheirContext(t *testing.T) {
	const w, h = 1500, 1000
	rng := rand.New(rand.NewPCG(2, 4))
	values := make([]float32, w*h)
	for i := range values {
		values[i] = rng.Float32()
	}
	rgb := picture.NewRGB(w, h)
	small := picture.Map{Prob: values[:w*h/16], Width: w / 4, Height: h / 4, Stride: 4}
	all := &network.Judge{Features: JudgeFeatures(), Weights: make([]float64, len(JudgeFeatures()))}
	judged, err := newJudge(all)
	if err != nil {
		t.Fatal(err)
	}
	outputs := make([]Output, 3)
	for k := range outputs {
		outputs[k] = Output{Raw: small, Prob: slices.Clone(values)}
	}
	model := &Model{names: []string{"a", "b", "c"}, byMean: make([]bool, 3), threshold: 0.5, each: true}
	results := []*Result{{Prob: values, Width: w, Height: h, Threshold: 0.5}}
	raw := func() Output { return Output{Raw: small} }
	for name, c := range map[string]struct {
		passes int64
		do     func(context.Context) error
	}{
		"tiles, enlarge": {h, (&tiledRun{rgb: rgb, judged: small}).enlarge},
		"tiles, judge": {int64(len(all.Features)), (&tiledRun{
			Runner: &Runner{judge: judged}, rgb: rgb, raw: small, prob: values,
		}).judgePicture},
		"resize, scale":   {h, (&resizedRun{Runner: &Runner{spec: network.Spec{ResizeOptions: network.ResizeOptions{Input: 64}}}, rgb: rgb}).scale},
		"resize, enlarge": {h, func(ctx context.Context) error { return (&resizedRun{rgb: rgb, out: raw()}).enlarge(ctx) }},
		"combine": {3, func(ctx context.Context) error {
			return (&batch{model: model, pictures: []*picture.Picture{picture.New(rgb)}, outputs: [][]Output{outputs}}).combine(ctx)
		}},
		"combine small maps": {2 * h, func(ctx context.Context) error {
			own := []Output{raw(), raw()}
			return (&batch{model: model, pictures: []*picture.Picture{picture.New(rgb)}, outputs: [][]Output{own}}).combine(ctx)
		}},
		"summarize": {2, (&batch{model: model, results: results}).summarize},
	} {
		whole := &counting{Context: t.Context(), n: 1 << 40}
		if err := c.do(whole); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		looks := whole.looks.Load()
		if looks < c.passes {
			t.Errorf("%s: %d looks at the context, expected at least %d", name, looks, c.passes)
		}
		for n := int64(1); n <= looks; n += max(looks/5, 1) {
			ctx := &counting{Context: t.Context(), n: n}
			if err := c.do(ctx); !errors.Is(err, context.Canceled) || ctx.looks.Load() > n+afterTheEnd {
				t.Errorf("%s: error %v after %d of %d looks, expected an end at look %d", name, err, ctx.looks.Load(), looks, n)
			}
		}
	}
}

// The reason for which the caller's context has ended is the error.
func TestErrorIsTheCause(t *testing.T) {
	reason := errors.New("the client has left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if err := runSteps(ctx, []step[int]{{"none", func(int, context.Context) error { return nil }}}, 0); !errors.Is(err, reason) {
		t.Errorf("got error %v, expected %v", err, reason)
	}
}
