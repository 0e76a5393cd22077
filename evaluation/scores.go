package evaluation

import "github.com/declip/declip/internal/evaluate"

// Scores are those of one picture. A score that is not defined is NaN: all that need a mask without
// one, AUC and BalancedAccuracy where the mask is empty or full, F1Best where the map is constant.
// Those of an untouched picture that need a mask say nothing, and are in no average.
type Scores struct {
	Name, Method  string // of the Picture; of one from Run, Name is its file
	Width, Height int    // pixels, of the mask or else of the map
	Manipulated   bool   // by the label or the mask
	Masked        bool   // there was a mask, or the picture is untouched
	Err           error

	// As in the paper.
	IoU    float64 // percent, at the threshold
	F1     float64 // at the threshold; a band along the mask's border is ignored
	F1Best float64 // at the best threshold of the picture; the same band is ignored
	AP     float64 // average precision of the pixels
	AUC    float64 // area under the ROC curve of the pixels

	// Over all pixels, at the threshold, as other tools compute them.
	F1Plain          float64
	BalancedAccuracy float64
	MCC              float64 // Matthews' correlation coefficient, in [-1,1]

	MeanProbability float64 // over all pixels
	OverThreshold   float64 // share of the pixels over the threshold, in [0,1]
	Flagged         bool    // more than 1 % of the pixels are over the threshold

	Pixels            int // of the picture
	ManipulatedPixels int // of the mask
	FoundPixels       int // manipulated pixels over the threshold
	FalsePixels       int // other pixels over the threshold
}

func newScores(p evaluate.Picture) Scores {
	s := Scores{
		Name: p.Name, Method: p.Method, Width: p.Width, Height: p.Height,
		Manipulated: p.Manipulated, Masked: p.Masked, Err: p.Err,
	}
	if p.Err != nil {
		return s
	}
	r := p.Scores
	s.IoU, s.F1, s.F1Best, s.AP, s.AUC = r.IoU, r.F1Fixed, r.F1Best, r.AP, r.AUC
	s.F1Plain, s.BalancedAccuracy, s.MCC = r.F1Plain, r.BalancedAccuracy, r.MCC
	s.MeanProbability, s.OverThreshold, s.Flagged = r.Score, r.Flagged, p.Flagged()
	s.Pixels, s.ManipulatedPixels, s.FoundPixels, s.FalsePixels = r.Pixels, r.Manipulated, r.Found, r.False
	return s
}
