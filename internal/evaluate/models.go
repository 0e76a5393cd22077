package evaluate

import (
	"context"
	"fmt"
	"strings"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// Models makes a predictor of an opened model, or of several opened together with
// localize.Options.Each. Each of several answers for itself, and the mean of all comes last. The
// caller closes the model.
func Models(m *localize.Model, names ...string) Predictor {
	if len(names) < 2 {
		return &models{model: m, names: []string{m.Name()}}
	}
	return &models{model: m, names: append(names[:len(names):len(names)], MeanName(names)), each: true}
}

// MeanName is the name of the mean of several models.
func MeanName(names []string) string { return strings.Join(names, " + ") }

type models struct {
	model *localize.Model
	names []string
	each  bool
}

// Models implements Predictor.
func (p *models) Models() []string { return p.names }

// Predict implements Predictor.
func (p *models) Predict(ctx context.Context, samples []dataset.Sample) ([][]Prediction, error) {
	pictures := make([]*picture.Picture, len(samples))
	for i, s := range samples {
		pictures[i] = s.Picture
	}
	results, err := p.model.LocalizeBatch(ctx, pictures)
	if err != nil {
		return nil, err
	}
	all := make([][]Prediction, len(samples))
	for i, r := range results {
		if p.each {
			if len(r.Each) != len(p.names)-1 {
				return nil, fmt.Errorf("%d maps of %d models: they were opened without Options.Each", len(r.Each), len(p.names)-1)
			}
			for _, own := range r.Each {
				all[i] = append(all[i], prediction(own))
			}
		}
		all[i] = append(all[i], prediction(r))
	}
	return all, nil
}

func prediction(r *localize.Result) Prediction {
	p := Prediction{Map: picture.Map{Prob: r.Prob, Width: r.Width, Height: r.Height}}
	if r.ScoreKind == localize.ScoreNetwork || r.ScoreKind == localize.ScoreCalibrated {
		p.Score = &r.Score
	}
	return p
}
