package localize

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// facts are what whole pictures are judged by.
type facts struct {
	raw  []float32    // probabilities of the network's own map
	prob []float32    // those of the final map
	rgb  *picture.RGB // the picture
}

// feature is a number that may tell manipulated pictures from untouched ones.
type feature struct {
	name string
	of   func(facts) float64
}

// features lists all features; models refer to them by name, so names and formulas stay.
var features = []feature{
	{"top_1", func(f facts) float64 { return bounded(metric.Top(f.prob, 0.01)) }},
	{"top_0.1", func(f facts) float64 { return bounded(metric.Top(f.prob, 0.001)) }},
	{"area", func(f facts) float64 { return math.Log10(metric.Flagged(f.prob, 0.5) + 1e-4) }},
	{"raw_top_0.1", func(f facts) float64 { return bounded(metric.Top(f.raw, 0.001)) }},
	{"raw_top_1", func(f facts) float64 { return bounded(metric.Top(f.raw, 0.01)) }},
	{"raw_top_5", func(f facts) float64 { return bounded(metric.Top(f.raw, 0.05)) }},
	{"raw_top_50", func(f facts) float64 { return bounded(metric.Top(f.raw, 0.5)) }},
	{"raw_mean", func(f facts) float64 { return bounded(meanOf(f.raw)) }},
	{"raw_area_0.3", func(f facts) float64 { return math.Log10(metric.Flagged(f.raw, 0.3) + 1e-4) }},
	{"megapixels", func(f facts) float64 { return math.Log2(float64(f.rgb.Width*f.rgb.Height)/1e6 + 1e-3) }},
	{"jpeg", func(f facts) float64 {
		if f.rgb.Steps == nil {
			return 0
		}
		return 1
	}},
	{"jpeg_steps", jpegSteps},
}

// bounded is a probability's logit within -8 and 8.
func bounded(p float64) float64 { return min(max(numeric.Logit(p, 1e-6), -8), 8) }

func meanOf(values []float32) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	return sum / float64(max(len(values), 1))
}

// jpegSteps is the mean logarithm of the file's quantisation steps; 0 without any.
func jpegSteps(f facts) float64 {
	if f.rgb.Steps == nil {
		return 0
	}
	sum := 0.0
	for _, s := range f.rgb.Steps {
		sum += math.Log(float64(max(s, 1))) / 64
	}
	return sum
}

// JudgeFeatures names the features that whole pictures can be judged by.
func JudgeFeatures() []string {
	var names []string
	for _, f := range features {
		names = append(names, f.name)
	}
	return names
}

// Facts are the values of JudgeFeatures for a picture and a model's result on it.
func Facts(r *Result, rgb *picture.RGB) []float64 {
	var values []float64
	for _, f := range features {
		values = append(values, f.of(facts{raw: r.Raw.Prob, prob: r.Prob, rgb: rgb}))
	}
	return values
}

// judge is a network.Judge with its features.
type judge struct {
	network.Judge
	features []feature
}

// newJudge looks up the features. Unknown ones are an error.
func newJudge(of *network.Judge) (*judge, error) {
	j := &judge{Judge: *of}
	if len(of.Weights) != len(of.Features) {
		return nil, fmt.Errorf("judge of whole pictures: %d weights for %d features", len(of.Weights), len(of.Features))
	}
	for _, name := range of.Features {
		found := false
		for _, f := range features {
			if f.name == name {
				j.features, found = append(j.features, f), true
			}
		}
		if !found {
			return nil, fmt.Errorf("judge of whole pictures: unknown feature %q, known are: %s", name, strings.Join(JudgeFeatures(), ", "))
		}
	}
	return j, nil
}

// probability is that of the picture's being manipulated. It looks at ctx before each feature,
// which is at most two passes over a map.
func (j *judge) probability(ctx context.Context, f facts) (float64, error) {
	logit := j.Bias
	for i, v := range j.features {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		logit += j.Weights[i] * v.of(f)
	}
	return numeric.Sigmoid(logit), nil
}
