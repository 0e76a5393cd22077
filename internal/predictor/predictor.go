// Package predictor makes predictors for evaluation: of opened models, and of folders of maps that another
// program made.
package predictor

import (
	"context"
	"fmt"
	"image"
	"strings"

	"github.com/declip/declip"
	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/picture"
)

// Models makes a predictor of a model, or of several that answer together: opened with declip.Options.Each each
// answers for itself, too, and the mean of all comes last. The model stays the caller's to close.
func Models(m *declip.Model, names ...string) evaluate.Predictor {
	if len(names) < 2 {
		return &models{model: m, names: []string{m.Name()}}
	}
	return &models{model: m, names: append(names[:len(names):len(names)], MeanName(names)), each: true}
}

// MeanName is what the mean of several models is called.
func MeanName(names []string) string { return strings.Join(names, " + ") }

type models struct {
	model *declip.Model
	names []string
	each  bool
}

// Models implements evaluate.Predictor.
func (p *models) Models() []string { return p.names }

// Predict implements evaluate.Predictor.
func (p *models) Predict(ctx context.Context, samples []dataset.Sample) ([][]evaluate.Prediction, error) {
	pictures := make([]image.Image, len(samples))
	for i, s := range samples {
		pictures[i] = s.Picture
	}
	results, err := p.model.LocalizeBatch(ctx, pictures)
	if err != nil {
		return nil, err
	}
	all := make([][]evaluate.Prediction, len(samples))
	for i, r := range results {
		if p.each {
			if len(r.Each) != len(p.names)-1 {
				return nil, fmt.Errorf("%d of %d models answered for themselves: opened without Options.Each", len(r.Each), len(p.names)-1)
			}
			for _, own := range r.Each {
				all[i] = append(all[i], prediction(own))
			}
		}
		all[i] = append(all[i], prediction(r))
	}
	return all, nil
}

func prediction(r *declip.Result) evaluate.Prediction {
	return evaluate.Prediction{Map: picture.Map{Prob: r.Prob, Width: r.Width, Height: r.Height}}
}
