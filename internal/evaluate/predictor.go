package evaluate

import (
	"context"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/picture"
)

// Predictor gives maps for pictures. It must be safe for concurrent use.
type Predictor interface {
	// Models names the models that answer. Several may share one pass over a picture.
	Models() []string
	// Predict gives for each sample each model's prediction, in the order of Models. Its error
	// applies to all samples; several samples are then tried one by one.
	Predict(ctx context.Context, samples []dataset.Sample) ([][]Prediction, error)
}

// Prediction is one model's map of one picture, of any size, or why there is none.
type Prediction struct {
	Map picture.Map // probabilities in [0,1]
	// Score is the model's own probability that the picture is manipulated; nil if it gives none.
	Score *float64
	Err   error
}
