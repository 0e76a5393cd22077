package evaluation

import (
	"context"
	"fmt"
	"image"

	"github.com/declip/declip"
	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/picture"
)

// DataOptions of OpenData. The zero value takes all test pictures.
type DataOptions struct {
	// Split of data sets that have splits: train, valid, test or all; empty: test.
	Split string
	// Limit is the most pictures of each data set, the same ones every time; 0: all.
	Limit int
	// Notice, if set, is called once for each thing that was reinterpreted or left out.
	Notice func(text string)
}

// Data are opened data sets.
type Data struct {
	count int
	run   func(ctx context.Context, p evaluate.Predictor, o evaluate.Options) ([]evaluate.Scored, error)
}

// OpenData opens data sets by the names that "declip eval --data" takes: a directory or a list, and
// after a colon what to use of it, as "forged", "dolos:ldm,test" or "photos:untouched". It lists
// the pictures and does not read them.
func OpenData(ctx context.Context, names []string, o DataOptions) (*Data, error) {
	source, err := evaluate.OpenData(ctx, names, evaluate.DataOptions(o))
	if err != nil {
		return nil, err
	}
	return &Data{source.Len(), func(ctx context.Context, p evaluate.Predictor, o evaluate.Options) ([]evaluate.Scored, error) {
		return evaluate.Run(ctx, source, p, o)
	}}, nil
}

// Count is the number of pictures.
func (d *Data) Count() int { return d.count }

// Localizer gives maps of pictures. A *declip.Model is one. Of the results, Prob, Width, Height,
// Score and ScoreKind are used. It must be safe for concurrent use.
type Localizer interface {
	Name() string
	LocalizeBatch(ctx context.Context, imgs []image.Image) ([]*declip.Result, error)
}

// RunOptions of Run. The zero value is the usual choice.
type RunOptions struct {
	Options
	// Batch is the number of pictures that the model gets together; 0: one.
	Batch int
	// Workers is the number of batches in progress at a time; 0: one for each core that the process
	// may use.
	Workers int
	// Done, if set, is called with the number of finished pictures, never concurrently.
	Done func(done, total int)
}

// Run takes the pictures of data sets through a model and scores its maps. Pictures are read as
// they are needed. A picture that cannot be read or localized has its error among the evaluation's
// Pictures instead of scores; Run's own error is that an option is invalid or that ctx ended.
func Run(ctx context.Context, data *Data, model Localizer, o RunOptions) (*Evaluation, error) {
	e, err := New(o.Options)
	if err != nil {
		return nil, err
	}
	options := evaluate.DefaultOptions()
	options.Threshold, options.Done = e.options.Threshold, o.Done
	if o.Batch != 0 {
		options.Batch = o.Batch
	}
	if o.Workers != 0 {
		options.Workers = o.Workers
	}
	scored, err := data.run(ctx, predictor(model), options)
	if err != nil {
		return nil, err
	}
	e.pictures = scored[0].Pictures
	return e, nil
}

func predictor(model Localizer) evaluate.Predictor {
	return evaluate.Func(model.Name(), func(ctx context.Context, pictures []*picture.Picture) ([]evaluate.Prediction, error) {
		imgs := make([]image.Image, len(pictures))
		for i, p := range pictures {
			imgs[i] = p
		}
		results, err := model.LocalizeBatch(ctx, imgs)
		if err != nil {
			return nil, err
		}
		list := make([]evaluate.Prediction, len(results))
		for i, r := range results {
			if r == nil {
				return nil, fmt.Errorf("%s gave no result for picture %d of %d", model.Name(), i+1, len(results))
			}
			list[i].Map = picture.Map{Prob: r.Prob, Width: r.Width, Height: r.Height}
			if r.ScoreKind == declip.ScoreNetwork || r.ScoreKind == declip.ScoreCalibrated {
				list[i].Score = &r.Score
			}
		}
		return list, nil
	})
}
