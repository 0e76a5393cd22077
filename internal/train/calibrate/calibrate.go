package calibrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// MetadataKey is the metadata key of a calibrated file's Facts as JSON.
const MetadataKey = "declip.calibration"

// ErrNoThreshold is wrapped by the error that every threshold flags too many untouched pictures.
var ErrNoThreshold = errors.New("every threshold flags too many untouched pictures")

// Picture is a picture with its mask, loaded when it is needed.
type Picture struct {
	Name  string // for messages
	Group string // of untouched pictures: each keeps Options.MaxFlagged by itself, too; "" is none
	Load  func() (dataset.Sample, error)
}

// Predict calls do for each shift, in their order, with the probability of manipulation for each
// pixel of a picture, row by row, as the network gives it with the shift added to its logits. It
// must be safe for concurrent use. Networks that do not run over tiles are run with a shift of 0
// only.
type Predict func(ctx context.Context, p *picture.RGB, shifts []float64, do func(i int, prob []float32) error) error

// Options say how to calibrate.
type Options struct {
	// Pictures with empty masks are the untouched ones.
	Pictures []Picture
	// MaxFlagged is the share of the untouched pictures in [0,1] that may be flagged at 0.5
	// afterwards, of all together and of each group.
	MaxFlagged float64
	// Detectors are added to those whose findings the network's map includes, by name
	// (localize.Detectors).
	Detectors []string
	// Blobs makes the network drop small and low-confidence regions. A threshold is chosen without
	// it first, then the best shift with it, among those around the first.
	Blobs bool
	// Judge fits what judges whole pictures, after the threshold is chosen. It needs OpenFacts, which
	// opens the model in a file to compute its features, until close is called.
	Judge     bool
	OpenFacts func(path string) (facts Features, done func(), err error)
	// Open opens the model in a file; it is run over the pictures until close is called.
	Open func(path string) (predict Predict, done func(), err error)
	// Workers is the number of pictures at a time; 0 means one.
	Workers int
	// Done is called after every picture if it is set; pass counts the passes over all pictures
	// from 0.
	Done func(pass, done int)
}

// Facts are the result of a calibration.
type Facts struct {
	Threshold   float64 `json:"threshold"`   // of the original network; now it is 0.5
	Shift       float64 `json:"shift"`       // added to the logits
	MaxFlagged  float64 `json:"max_flagged"` // of the options
	Manipulated int     `json:"manipulated"` // pictures
	Untouched   int     `json:"untouched"`   // pictures
	// Before is that of the original network; if it runs over tiles, of its map alone, without
	// findings of detectors and with all regions.
	Before Point `json:"before"`
	After  Point `json:"after"`
	// Judged says how well whole pictures are judged; nil unless Options.Judge was set.
	Judged *Judged `json:"judged,omitempty"`

	Data     string `json:"data,omitempty"`     // fingerprint of the pictures with masks
	Pristine string `json:"pristine,omitempty"` // fingerprint of the pristine pictures
	// Previous are the facts of an earlier calibration of the same network.
	Previous json.RawMessage `json:"previous,omitempty"`
}

// Point is a network's result at threshold 0.5.
type Point struct {
	F1      float64 `json:"f1"`      // mean over the manipulated pictures, in [0,1]
	Flagged float64 `json:"flagged"` // share of the untouched pictures, in [0,1]; 0 without any
	// MostFlagged is the share in the group of untouched pictures where it is largest, in [0,1], and
	// Flagged if that is larger.
	MostFlagged float64 `json:"most_flagged"`
}

// Result is a calibrated network.
type Result struct {
	Facts
	file   *weights.File
	net    *network.Network
	passes int // over all pictures, that have begun
}

// nextPass is the number of the pass that begins, for Options.Done.
func (r *Result) nextPass() int {
	r.passes++
	return r.passes - 1
}

// addDetectors adds the detectors that the options name.
func (o Options) addDetectors(net *network.Network) error {
	if err := localize.CheckDetectors(o.Detectors); err != nil {
		return err
	}
	return net.AddDetectors(o.Detectors...)
}

// maxPasses limits the passes over the pictures. Usually there are two: one to choose, one to
// check.
const maxPasses = 5

// Run calibrates the network in file, which must stay open until the result has been written.
//
// The threshold is chosen from the maps of the original network. In those of the shifted network it
// is not exactly 0.5, because tiles are blended and maps enlarged as probabilities. So the shifted
// network is run, too, and shifted again if it flags too many pictures.
//
// Findings of detectors and the selection of regions do not move with the logits. Networks that run
// over tiles, which alone have them, are measured without them first, and then with each of the
// shifts around the first one.
func Run(ctx context.Context, file *weights.File, o Options) (*Result, error) {
	r, err := prepare(file, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Path(), err)
	}
	folder, err := os.MkdirTemp("", "declip-calibrate-")
	if err != nil {
		return nil, fmt.Errorf("temporary directory for maps: %w (TMPDIR can name another place)", err)
	}
	defer os.RemoveAll(folder)
	if r.net.Spec().Mode == network.ModeTiles {
		err = r.chooseInTwo(ctx, folder, o)
	} else {
		err = r.choose(ctx, folder, o, false)
	}
	if err != nil {
		return nil, err
	}
	if o.Judge {
		if err := r.fitJudge(ctx, filepath.Join(folder, "judge.safetensors"), o); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// prepare reads the network, adds what the options ask for, and finds errors before hours of maps.
func prepare(file *weights.File, o Options) (*Result, error) {
	net, err := network.Open(file)
	if err != nil {
		return nil, err
	}
	if _, err := net.ShiftLogits(0); err != nil {
		return nil, err
	}
	if err := o.addDetectors(net); err != nil {
		return nil, err
	}
	if err := net.WeighBlobs(o.Blobs || net.Spec().Blobs); err != nil {
		return nil, err
	}
	if net.Spec().Judge != nil { // its weights are for the maps of before
		if err := net.SetJudge(nil); err != nil {
			return nil, err
		}
	}
	r := &Result{Facts: Facts{Threshold: thresholds[middle], MaxFlagged: o.MaxFlagged}, file: file, net: net}
	if text := file.Metadata()[MetadataKey]; json.Valid([]byte(text)) {
		r.Previous = json.RawMessage(text)
	}
	return r, nil
}

// chooseInTwo chooses a first shift from the network's maps alone, and the best one around it from
// those with the findings of detectors and the selection of regions.
func (r *Result) chooseInTwo(ctx context.Context, folder string, o Options) error {
	spec := r.net.Spec()
	if err := errors.Join(r.net.SetDetectors(), r.net.WeighBlobs(false)); err != nil {
		return err
	}
	if err := r.choose(ctx, folder, o, true); err != nil {
		return err
	}
	if err := errors.Join(r.net.SetDetectors(spec.Detectors...), r.net.WeighBlobs(spec.Blobs)); err != nil {
		return err
	}
	return r.chooseByShifts(ctx, folder, o)
}

// choose shifts the network's logits until 0.5 is the threshold of the options. With first, it only
// shifts them by the threshold of the original network, which others continue from.
func (r *Result) choose(ctx context.Context, folder string, o Options, first bool) error {
	for pass := range maxPasses {
		list, err := r.measure(ctx, folder, o, []float64{0}, thresholds)
		if err != nil {
			return err
		}
		m := list[0]
		r.After = m.at(middle)
		if pass == 0 {
			r.Before, r.Manipulated, r.Untouched = r.After, m.manipulated, m.flags.Count()
			if err := o.canJudge(r.Manipulated, r.Untouched); err != nil {
				return err // before further passes
			}
		} else if r.After.MostFlagged <= o.MaxFlagged {
			return nil
		}
		// The next network may again flag a picture more than this one's maps say, so each pass allows
		// one less.
		best, err := m.best(o.MaxFlagged - float64(pass)/float64(max(1, r.Untouched)))
		if pass > 0 && errors.Is(err, ErrNoThreshold) {
			best, err = m.best(o.MaxFlagged)
		}
		if err != nil {
			return err
		}
		if best == middle {
			return nil
		}
		if err := r.shift(-logits[best]); err != nil || first {
			return err
		}
	}
	return fmt.Errorf("the shifted network still flags %.2f %% of the untouched pictures after %d passes, expected at most %.2f %%",
		100*r.After.MostFlagged, maxPasses, 100*o.MaxFlagged)
}

// shift adds to the network's logits and to the Facts.
func (r *Result) shift(by float64) error {
	if _, err := r.net.ShiftLogits(by); err != nil {
		return err
	}
	r.Shift += by
	r.Threshold = numeric.Sigmoid(-r.Shift)
	return nil
}

// measure writes the current network to the directory and runs it over all pictures, with each of
// the shifts.
func (r *Result) measure(ctx context.Context, folder string, o Options, shifts, thresholds []float64) ([]*measured, error) {
	path := filepath.Join(folder, fmt.Sprintf("pass%d.safetensors", r.passes))
	if err := r.Write(path); err != nil {
		return nil, err
	}
	predict, done, err := o.Open(path)
	if err != nil {
		return nil, err
	}
	defer done()
	return measure(ctx, o, predict, r.nextPass(), shifts, thresholds)
}

// Write writes the network with its former metadata and the Facts. Tensors keep their types, except
// for the shifted bias; tensors that the network does not need, such as an optimizer's state, are
// left out. The file appears at path when it is complete.
func (r *Result) Write(path string) error {
	facts, err := json.Marshal(r.Facts)
	if err != nil {
		return fmt.Errorf("calibration facts: %w", err)
	}
	metadata := map[string]string{MetadataKey: string(facts)}
	for key, value := range r.file.Metadata() {
		if key != MetadataKey {
			metadata[key] = value
		}
	}
	metadata[network.SpecKey] = r.net.SpecJSON()
	params := r.net.Params()
	tensors := make([]weights.Tensor, 0, len(params))
	for i, p := range params {
		tensor, _ := r.file.Tensor(p.Name) // it is there: the network was read from it
		if i == len(params)-1 {
			tensor = weights.FromFloat32s(p.Name, p.Shape, p.Data) // a half would round the shift
		} else if tensor.Data, err = r.file.Bytes(p.Name); err != nil {
			return err
		}
		tensors = append(tensors, tensor)
	}
	return weights.WriteSealed(path, tensors, metadata)
}
