package evaluate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/picture"
)

// Picture is one picture's scores by one model. Scores that are not defined are null in JSON.
type Picture struct {
	Name          string // its file, or the source's name for it
	Method        string // how it was manipulated; "" if unknown
	Width, Height int    // pixels
	Manipulated   bool   // by its label or its mask
	Masked        bool   // it has a mask; otherwise only the scores that need none are set
	Scores        metric.Result
	NetworkScore  *float64 // the model's own score of the picture; nil if it gives none
	Err           error    // why there are no scores
}

// pictureJSON is a Picture as stored.
type pictureJSON struct {
	Name              string   `json:"name"`
	Method            string   `json:"method,omitempty"`
	Width             int      `json:"width"`
	Height            int      `json:"height"`
	Manipulated       bool     `json:"manipulated"`
	Masked            bool     `json:"masked"`
	IoU               *float64 `json:"iou"`
	F1Fixed           *float64 `json:"f1_fixed"`
	F1Best            *float64 `json:"f1_best"`
	AP                *float64 `json:"ap"`
	AUC               *float64 `json:"auc"`
	Score             *float64 `json:"mean_probability"`
	Flagged           *float64 `json:"fraction_over_threshold"`
	FlagScore         *float64 `json:"flag_score"`
	NetworkScore      *float64 `json:"network_score,omitempty"`
	Pixels            int      `json:"pixels"`
	ManipulatedPixels int      `json:"manipulated_pixels"`
	SurePixels        int      `json:"sure_pixels"`
	F1Plain           *float64 `json:"f1_plain"`
	BalancedAccuracy  *float64 `json:"balanced_accuracy"`
	MCC               *float64 `json:"mcc"`
	FoundPixels       int      `json:"found_pixels"`
	FalsePixels       *int     `json:"false_pixels"` // null in results that were stored without it
	Error             string   `json:"error,omitempty"`
}

// floats pairs each score with its field in the stored form.
func (j *pictureJSON) floats(r *metric.Result) map[**float64]*float64 {
	return map[**float64]*float64{
		&j.IoU: &r.IoU, &j.F1Fixed: &r.F1Fixed, &j.F1Best: &r.F1Best, &j.AP: &r.AP, &j.AUC: &r.AUC,
		&j.F1Plain: &r.F1Plain, &j.BalancedAccuracy: &r.BalancedAccuracy, &j.MCC: &r.MCC,
		&j.Score: &r.Score, &j.Flagged: &r.Flagged, &j.FlagScore: &r.FlagScore,
	}
}

// MarshalJSON implements json.Marshaler. UnmarshalJSON restores the same Picture.
func (p Picture) MarshalJSON() ([]byte, error) {
	r := p.Scores
	j := pictureJSON{
		Name: p.Name, Method: p.Method, Width: p.Width, Height: p.Height, Manipulated: p.Manipulated, Masked: p.Masked,
		NetworkScore: p.NetworkScore, Pixels: r.Pixels, ManipulatedPixels: r.Manipulated, SurePixels: r.Sure,
	}
	if p.Err != nil {
		j.Error = p.Err.Error()
		return json.Marshal(j)
	}
	j.FoundPixels, j.FalsePixels = r.Found, &r.False
	for to, from := range j.floats(&r) {
		if !math.IsNaN(*from) {
			*to = from
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Picture) UnmarshalJSON(text []byte) error {
	var j pictureJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*p = Picture{Name: j.Name, Method: j.Method, Width: j.Width, Height: j.Height, Manipulated: j.Manipulated, Masked: j.Masked,
		NetworkScore: j.NetworkScore}
	if j.Error != "" {
		p.Err = errors.New(j.Error)
		return nil
	}
	p.Scores = metric.Result{Pixels: j.Pixels, Manipulated: j.ManipulatedPixels, Sure: j.SurePixels, Found: j.FoundPixels}
	if j.FalsePixels != nil {
		p.Scores.False = *j.FalsePixels
	}
	for from, to := range j.floats(&p.Scores) {
		*to = math.NaN()
		if *from != nil {
			*to = **from
		}
	}
	return nil
}

// Flagged reports whether the picture is flagged at the threshold of its scores: more than
// metric.FlagShare of its pixels are over it.
func (p Picture) Flagged() bool { return p.Scores.Flagged > metric.FlagShare }

// Score scores a prediction against a mask of any size, or without one if mask is nil. A map of
// another size than the mask's, or the picture's where there is no mask, is resized to it
// bilinearly. It sets Masked, NetworkScore and Scores, and returns the map as it was scored. The
// threshold is the probability above which a pixel counts as manipulated.
func (p *Picture) Score(from Prediction, mask *picture.Gray, threshold float64) ([]float32, error) {
	w, h := p.Width, p.Height
	if mask != nil {
		w, h = mask.Width, mask.Height
	}
	prob, err := fit(from.Map, w, h)
	if err != nil {
		return nil, err
	}
	p.Masked, p.NetworkScore = mask != nil, from.Score
	p.Scores, err = scores(prob, mask, threshold)
	return prob, err
}

// scores is what can be measured with or without a mask.
func scores(prob []float32, mask *picture.Gray, threshold float64) (metric.Result, error) {
	if mask == nil {
		return metric.Measure(prob, threshold)
	}
	return metric.Evaluate(prob, metric.Truth(mask.Pix), mask.Width, mask.Height, threshold)
}

// fit resizes a map to w x h pixels, bilinearly.
func fit(m picture.Map, w, h int) ([]float32, error) {
	switch {
	case m.Width < 1 || m.Height < 1 || len(m.Prob) != m.Width*m.Height:
		return nil, fmt.Errorf("map of %d x %d with %d probabilities", m.Width, m.Height, len(m.Prob))
	case w < 1 || h < 1:
		return nil, errors.New("neither a picture nor a mask gives the size")
	case m.Width == w && m.Height == h:
		return m.Prob, nil
	}
	return picture.FitFloat(m.Prob, m.Width, m.Height, w, h), nil
}
