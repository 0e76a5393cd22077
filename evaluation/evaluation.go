package evaluation

import (
	"errors"
	"fmt"
	"image"
	"slices"
	"sync"

	"github.com/declip/declip"
	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/picture"
)

// Options of New and Run. The zero value is the usual choice.
type Options struct {
	// Threshold in (0,1) above which a pixel counts as manipulated; 0 means
	// declip.DefaultThreshold.
	Threshold float64
	// Bootstrap is the number of draws for the 95 % confidence intervals of a Summary; 0: none.
	Bootstrap int
	// Seed of these draws. The same seed and the same pictures in the same order give the same
	// intervals.
	Seed uint64
}

// checked fills in the defaults.
func (o Options) checked() (Options, error) {
	if o.Threshold == 0 {
		o.Threshold = declip.DefaultThreshold
	}
	switch {
	case !(o.Threshold > 0 && o.Threshold < 1):
		return o, fmt.Errorf("threshold %g: expected a number between 0 and 1", o.Threshold)
	case o.Bootstrap < 0:
		return o, fmt.Errorf("%d bootstrap draws: expected at least 0", o.Bootstrap)
	}
	return o, nil
}

// Label says what a whole picture is.
type Label int

// The labels.
const (
	// ByMask: a picture is manipulated if its mask marks a pixel.
	ByMask Label = iota
	// Untouched pictures need no mask.
	Untouched
	// Manipulated pictures without a mask are scored as whole pictures only.
	Manipulated
)

// Picture is a map to score.
type Picture struct {
	Name   string // for messages
	Method string // how it was manipulated; a Summary has averages by method. Empty: unknown
	// Map has the probabilities of manipulation, in [0,1]. If the mask has another size, the map is
	// resized to it bilinearly.
	Map declip.Map
	// Mask is the truth: manipulated where the grey level is 128 or more. It is nil if there is only
	// a label. [NewMask] makes one of a list of booleans.
	Mask image.Image
	// Label overrides what the mask says of the whole picture.
	Label Label
	// Score is the model's own probability that the whole picture is manipulated; nil if it gives
	// none. A Summary uses it if all pictures have one.
	Score *float64
}

// Evaluation collects the scores of pictures. It is safe for concurrent use.
type Evaluation struct {
	options Options

	mu       sync.Mutex
	pictures []evaluate.Picture
}

// New makes an evaluation without pictures.
func New(o Options) (*Evaluation, error) {
	o, err := o.checked()
	if err != nil {
		return nil, err
	}
	return &Evaluation{options: o}, nil
}

// Add scores a picture and adds it. A picture that cannot be scored is not added: its error names
// the picture, and says that there is neither a mask nor a label, that the map has another number
// of probabilities than its size says, or one that is not a number, or that the mask marks no pixel
// but has levels from 1 to 127.
func (e *Evaluation) Add(p Picture) (Scores, error) {
	scored, err := e.score(p)
	if err != nil {
		if p.Name != "" {
			err = fmt.Errorf("%s: %w", p.Name, err)
		}
		return Scores{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pictures = append(e.pictures, scored)
	return newScores(scored), nil
}

func (e *Evaluation) score(p Picture) (evaluate.Picture, error) {
	mask, err := p.mask()
	if err != nil {
		return evaluate.Picture{}, err
	}
	s := evaluate.Picture{Name: p.Name, Method: p.Method, Width: p.Map.Width, Height: p.Map.Height}
	if mask != nil {
		s.Width, s.Height = mask.Width, mask.Height
	}
	from := evaluate.Prediction{Map: picture.Map{Prob: p.Map.Prob, Width: p.Map.Width, Height: p.Map.Height}, Score: p.Score}
	if _, err := s.Score(from, mask, e.options.Threshold); err != nil {
		return evaluate.Picture{}, err
	}
	s.Manipulated = p.Label == Manipulated || p.Label == ByMask && s.Scores.Manipulated > 0
	return s, nil
}

// mask is the mask in 8-bit grey; nil if there is none. That of an untouched picture is empty.
func (p *Picture) mask() (*picture.Gray, error) {
	switch {
	case p.Label < ByMask || p.Label > Manipulated:
		return nil, fmt.Errorf("label %d: expected ByMask, Untouched or Manipulated", p.Label)
	case p.Mask != nil:
		return grey(p.Mask)
	case p.Label == ByMask:
		return nil, errors.New("neither a mask nor a label")
	case p.Label == Untouched && p.Map.Width > 0 && p.Map.Height > 0 && len(p.Map.Prob) == p.Map.Width*p.Map.Height:
		return picture.NewGray(p.Map.Width, p.Map.Height), nil
	}
	return nil, nil
}

// Count is the number of pictures, those with an error included.
func (e *Evaluation) Count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.pictures)
}

// Pictures are the scores of the pictures, in the order in which they were added.
func (e *Evaluation) Pictures() []Scores {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]Scores, len(e.pictures))
	for i, p := range e.pictures {
		list[i] = newScores(p)
	}
	return list
}

// Summary averages the scores of the pictures so far.
func (e *Evaluation) Summary() Summary {
	e.mu.Lock()
	pictures := slices.Clone(e.pictures)
	e.mu.Unlock()
	return newSummary(evaluate.Summarize(pictures, evaluate.SummaryOptions{
		Threshold: e.options.Threshold, Bootstrap: e.options.Bootstrap, Seed: e.options.Seed,
	}))
}
