package evaluation

import "github.com/declip/declip/internal/evaluate"

// Averages are over the manipulated pictures with masks. An average of nothing is nil. As JSON they
// have the fields of "declip eval --json".
type Averages struct {
	Pictures    int      `json:"pictures"`
	Manipulated int      `json:"manipulated"`
	Untouched   int      `json:"untouched"`
	IoU         *float64 `json:"iou"`      // percent
	F1          *float64 `json:"f1_fixed"` // as in the paper, at the threshold
	F1Best      *float64 `json:"f1_best"`  // as in the paper, at each picture's best threshold
	AP          *float64 `json:"ap"`
	AUC         *float64 `json:"auc"`
	// LeftOut counts the pictures that an average leaves out: JSON name of the score, reason.
	LeftOut map[string]map[string]int `json:"left_out,omitempty"`
	// Intervals are the scores' confidence intervals, by the scores' JSON names. Those of a Summary
	// include "untouched_flagged", "detection_ap", "detection_auc" and "detection_accuracy".
	Intervals map[string]Interval `json:"intervals,omitempty"`

	// Over all pixels of each picture.
	F1Plain          *float64 `json:"f1_plain"`
	BalancedAccuracy *float64 `json:"balanced_accuracy"`
	MCC              *float64 `json:"mcc"`
	// Pooled has the scores of the pixels of all manipulated pictures together; nil without them.
	Pooled *Pooled `json:"pooled,omitempty"`
}

// Interval contains a score with 95 % confidence, with regard to the choice of pictures only: its
// lower and its upper end.
type Interval [2]float64

// Pooled are scores in which each pixel counts the same, in whichever picture it is.
type Pooled struct {
	IoU              float64  `json:"iou"`               // percent
	F1               float64  `json:"f1"`                // no band along the masks' borders is ignored
	BalancedAccuracy *float64 `json:"balanced_accuracy"` // nil if all pixels are manipulated, or none
	MCC              float64  `json:"mcc"`
}

// Detection says how well a score separates manipulated pictures from untouched ones.
type Detection struct {
	AP           float64 `json:"ap"`
	AUC          float64 `json:"auc"`
	Accuracy     float64 `json:"accuracy"`      // at the threshold
	BestAccuracy float64 `json:"best_accuracy"` // at the best threshold
	// FoundAt1 is the share of the manipulated pictures above a threshold that at most 1 % of the
	// untouched ones exceed.
	FoundAt1 float64 `json:"found_at_1_percent"`
	// ECE is the expected calibration error, and Reliability what it is computed from. Both take the
	// score as a probability, of pictures of which half are manipulated; only for a model's own
	// score.
	ECE         *float64 `json:"ece,omitempty"`
	Reliability []Bin    `json:"reliability,omitempty"`
}

// Bin compares the probabilities in a part of [0,1] with how often they were right. Manipulated and
// untouched pictures have the same total weight.
type Bin struct {
	Pictures    int     `json:"pictures"`
	Weight      float64 `json:"weight"`      // share of all pictures, in [0,1]
	Probability float64 `json:"probability"` // mean
	Manipulated float64 `json:"manipulated"` // share of the bin's weight
}

// Summary has the scores over all pictures.
type Summary struct {
	Averages
	// UntouchedFlagged is the share of the untouched pictures of which more than 1 % of the pixels
	// are over the threshold, in [0,1]; nil without untouched pictures.
	UntouchedFlagged *float64 `json:"untouched_flagged"`
	// Detection takes the mean probability as the score of a picture, as the paper does. It and the
	// next two are nil unless there are manipulated and untouched pictures.
	Detection *Detection `json:"detection,omitempty"`
	// DetectionByFlags takes the probability that one pixel in a hundred exceeds.
	DetectionByFlags *Detection `json:"detection_by_flags,omitempty"`
	// DetectionByNetwork takes the model's own score; nil unless all pictures have one.
	DetectionByNetwork *Detection `json:"detection_by_network,omitempty"`
	// Methods has the averages of manipulated pictures by method.
	Methods map[string]Averages `json:"methods,omitempty"`
	// Failed is the number of pictures with an error. They are in no average.
	Failed int `json:"-"`
}

func newSummary(s evaluate.Summary) Summary {
	public := Summary{
		Averages: newAverages(s.Averages), UntouchedFlagged: s.UntouchedFlagged, Failed: s.Failed,
		Detection: newDetection(s.Detection), DetectionByFlags: newDetection(s.DetectionByFlags),
		DetectionByNetwork: newDetection(s.DetectionByNetwork),
	}
	for name, a := range s.Methods {
		if public.Methods == nil {
			public.Methods = map[string]Averages{}
		}
		public.Methods[name] = newAverages(a)
	}
	return public
}

func newAverages(a evaluate.Averages) Averages {
	public := Averages{
		Pictures: a.Pictures, Manipulated: a.Manipulated, Untouched: a.Untouched,
		IoU: a.IoU, F1: a.F1Fixed, F1Best: a.F1Best, AP: a.AP, AUC: a.AUC, LeftOut: a.LeftOut,
		F1Plain: a.F1Plain, BalancedAccuracy: a.BalancedAccuracy, MCC: a.MCC,
	}
	for name, i := range a.Intervals {
		if public.Intervals == nil {
			public.Intervals = map[string]Interval{}
		}
		public.Intervals[name] = Interval(i)
	}
	if p := a.Pooled; p != nil {
		public.Pooled = &Pooled{p.IoU, p.F1, p.BalancedAccuracy, p.MCC}
	}
	return public
}

// newDetection copies d; nil stays nil.
func newDetection(d *evaluate.Detection) *Detection {
	if d == nil {
		return nil
	}
	public := &Detection{AP: d.AP, AUC: d.AUC, Accuracy: d.Accuracy, BestAccuracy: d.BestAccuracy, FoundAt1: d.FoundAt1, ECE: d.ECE}
	for _, b := range d.Reliability {
		public.Reliability = append(public.Reliability, Bin(b))
	}
	return public
}
