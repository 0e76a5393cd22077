package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/declip/declip/internal/train/tensorboard"
)

// recorder writes the log, and event files for TensorBoard.
type recorder struct {
	journal *journal
	board   *tensorboard.Writer // nil for none
	events  tensorboard.Mark    // of the event files if board is nil
}

// openRecorder starts recording, or continues after the records of the state.
func openRecorder(c Config, resumed bool, s State) (*recorder, error) {
	r := &recorder{}
	var err error
	if r.journal, err = openJournal(c.Out, resumed, s); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if c.NoTensorBoard {
		r.events, err = tensorboard.Rewind(c.Out, s.Events)
	} else {
		r.board, err = tensorboard.Open(c.Out, s.Events, s.Step+1)
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("tensorboard: %w", err)
	}
	return r, nil
}

// add writes a record to the log and to the event files.
func (r *recorder) add(line record) error {
	if err := r.journal.add(line); err != nil {
		return err
	}
	values, err := line.scalars()
	if err != nil || len(values) == 0 || r.board == nil {
		return err
	}
	if err := r.board.Scalars(line.Step, values...); err != nil {
		return fmt.Errorf("tensorboard: %w", err)
	}
	return nil
}

// images adds pictures to the event files.
func (r *recorder) images(step int64, images []tensorboard.Image) error {
	if r.board == nil || len(images) == 0 {
		return nil
	}
	if err := r.board.Images(step, images...); err != nil {
		return fmt.Errorf("tensorboard: %w", err)
	}
	return nil
}

// mark brings all records to disk and notes in the state how far they go.
func (r *recorder) mark(s *State) error {
	s.LogBytes = r.journal.size
	err := r.journal.file.Sync()
	if s.Events = r.events; r.board != nil {
		s.Events = r.board.Mark()
		err = errors.Join(err, r.board.Sync())
	}
	return err
}

func (r *recorder) close() {
	if r.journal != nil {
		r.journal.file.Close()
	}
	if r.board != nil {
		r.board.Close()
	}
}

// scalars are a record's values for the curves: of a step its measurements, of an epoch the mean
// loss and the scores of validation.
func (r record) scalars() ([]tensorboard.Scalar, error) {
	switch r.Event {
	case "step":
		return []tensorboard.Scalar{
			{Tag: "train/loss", Value: r.Loss}, {Tag: "train/learning_rate", Value: r.Rate}, {Tag: "train/gradient_norm", Value: r.Norm},
			{Tag: "train/steps_per_second", Value: r.Speed}, {Tag: "train/outside_engine", Value: r.Idle},
		}, nil
	case "epoch":
		list := []tensorboard.Scalar{{Tag: "epoch/loss", Value: r.Loss}}
		if r.Score == nil {
			return list, nil
		}
		text, err := json.Marshal(r.Score)
		if err != nil {
			return nil, fmt.Errorf("tensorboard: %w", err)
		}
		var tree map[string]any
		if err := json.Unmarshal(text, &tree); err != nil {
			return nil, fmt.Errorf("tensorboard: %w", err)
		}
		return flatten(list, "valid", tree), nil
	}
	return nil, nil
}

// flatten adds the numbers of a tree by their paths, in a fixed order.
func flatten(list []tensorboard.Scalar, path string, tree map[string]any) []tensorboard.Scalar {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		switch v := tree[name].(type) {
		case float64:
			list = append(list, tensorboard.Scalar{Tag: path + "/" + name, Value: v})
		case map[string]any:
			list = flatten(list, path+"/"+name, v)
		}
	}
	return list
}
