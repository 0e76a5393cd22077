package calibrate

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// Judged says how well whole pictures are judged, by parts of the pictures that the weights were
// not fitted on.
type Judged struct {
	AUC     float64      `json:"auc"`
	FoundAt float64      `json:"found_at_1_percent"` // share found at 1 % false alarms
	ECE     float64      `json:"ece"`                // expected calibration error
	Bins    []metric.Bin `json:"reliability"`
}

// parts is the number of parts for Judged: each is judged by weights fitted on the others.
const parts = 5

// canJudge returns an error if there are too few pictures of a kind for Judge: they are judged by
// weights fitted on other pictures of both kinds.
func (o Options) canJudge(manipulated, untouched int) error {
	if !o.Judge || min(manipulated, untouched) >= 2 {
		return nil
	}
	return fmt.Errorf("judging whole pictures needs at least 2 manipulated and 2 untouched pictures, and there are %d and %d: "+
		"add untouched ones with --pristine or pictures with masks with --data", manipulated, untouched)
}

// fitJudge fits what judges whole pictures, to the maps of the network as it is now.
func (r *Result) fitJudge(ctx context.Context, path string, o Options) error {
	if err := r.net.SetJudge(nil); err != nil {
		return err
	}
	if err := r.Write(path); err != nil {
		return err
	}
	facts, done, err := o.OpenFacts(path)
	if err != nil {
		return err
	}
	defer done()
	list, err := examples(ctx, o, facts, r.nextPass())
	if err != nil {
		return err
	}
	if r.Judged, err = crossValidated(list); err != nil {
		return err
	}
	j := &network.Judge{Features: localize.JudgeFeatures()}
	if j.Weights, j.Bias, err = fitLogistic(list); err != nil {
		return err
	}
	return r.net.SetJudge(j)
}

// examples computes the features of all pictures.
func examples(ctx context.Context, o Options, facts Features, pass int) ([]example, error) {
	return scoreAll(ctx, o, pass, func(ctx context.Context, p Picture) (example, error) {
		sample, err := p.Load()
		if err != nil {
			return example{}, err // names the file
		}
		values, err := facts(ctx, sample.Picture)
		if err != nil {
			return example{}, fmt.Errorf("%s: %w", p.Name, err)
		}
		return example{features: values, manipulated: sample.Manipulated()}, nil
	})
}

// crossValidated judges every part of the pictures by the others.
func crossValidated(list []example) (*Judged, error) {
	var d metric.Detection
	for part := range parts {
		var rest []example
		for i, e := range list {
			if i%parts != part {
				rest = append(rest, e)
			}
		}
		weights, bias, err := fitLogistic(rest)
		if err != nil {
			return nil, err
		}
		for i, e := range list {
			if i%parts != part {
				continue
			}
			logit := bias
			for k, v := range e.features {
				logit += weights[k] * v
			}
			d.Add(numeric.Sigmoid(logit), e.manipulated)
		}
	}
	return &Judged{AUC: d.AUC(), FoundAt: d.FoundAt(0.01), ECE: d.ECE(), Bins: d.Reliability()}, nil
}

// Features gives the values of localize.JudgeFeatures for a picture. It must be safe for concurrent
// use.
type Features func(ctx context.Context, p *picture.Picture) ([]float64, error)
