package evaluate

import (
	"encoding/json"
	"errors"
	"math"

	"github.com/declip/declip/internal/metric"
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
