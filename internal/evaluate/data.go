package evaluate

import (
	"context"
	"fmt"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/picture"
)

// DataOptions of OpenData. The zero value takes all test pictures.
type DataOptions struct {
	Split string // of data sets that have splits: train, valid, test or all; "": test
	Limit int    // at most this many pictures of each data set, the same ones every time; 0: all
	// Notice, if set, is called once for each thing that was reinterpreted or left out.
	Notice func(text string)
}

// DataSetOptions are the options with which data sets are opened for measuring: pictures without
// masks stay if they have labels, and a bad picture is an error of that picture only.
func DataSetOptions() dataset.Options {
	return dataset.Options{DefaultSplit: "test", Labels: true, Lenient: true}
}

// OpenData opens data sets by their names, as dataset.Open takes them, as one source.
func OpenData(ctx context.Context, names []string, o DataOptions) (dataset.Source, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("data: expected the name of at least one data set: %w", dataset.ErrEmpty)
	}
	if o.Limit < 0 {
		return nil, fmt.Errorf("limit of %d pictures: expected at least 0", o.Limit)
	}
	options := DataSetOptions()
	options.Split, options.Notice = o.Split, o.Notice
	var sources []dataset.Source
	for _, name := range names {
		s, err := dataset.Open(ctx, name, options)
		if err != nil {
			return nil, err
		}
		sources = append(sources, dataset.Some(s, o.Limit))
	}
	return dataset.Join(sources...), nil
}

// Func makes a predictor of a function that gives a prediction for each picture. It must be safe
// for concurrent use.
func Func(name string, predict func(ctx context.Context, pictures []*picture.Picture) ([]Prediction, error)) Predictor {
	return &function{name, predict}
}

type function struct {
	name    string
	predict func(ctx context.Context, pictures []*picture.Picture) ([]Prediction, error)
}

// Models implements Predictor.
func (f *function) Models() []string { return []string{f.name} }

// Predict implements Predictor.
func (f *function) Predict(ctx context.Context, samples []dataset.Sample) ([][]Prediction, error) {
	pictures := make([]*picture.Picture, len(samples))
	for i, s := range samples {
		pictures[i] = s.Picture
	}
	list, err := f.predict(ctx, pictures)
	if err != nil {
		return nil, err
	}
	if len(list) != len(samples) {
		return nil, fmt.Errorf("%s gave %d maps for %d pictures", f.name, len(list), len(samples))
	}
	all := make([][]Prediction, len(list))
	for i := range list {
		all[i] = list[i : i+1]
	}
	return all, nil
}
