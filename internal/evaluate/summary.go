package evaluate

import (
	"math"
	"slices"

	"github.com/declip/declip/internal/metric"
)

// Averages are over the manipulated pictures with masks. An average of nothing is nil.
type Averages struct {
	Pictures    int      `json:"pictures"`
	Manipulated int      `json:"manipulated"`
	Untouched   int      `json:"untouched"`
	IoU         *float64 `json:"iou"` // percent
	F1Fixed     *float64 `json:"f1_fixed"`
	F1Best      *float64 `json:"f1_best"`
	AP          *float64 `json:"ap"`
	AUC         *float64 `json:"auc"`
	// LeftOut counts the pictures that an average leaves out: score, reason.
	LeftOut map[string]map[string]int `json:"left_out,omitempty"`
	// Intervals are the scores' confidence intervals, by the scores' JSON names. Those of a Summary
	// include "untouched_flagged", "detection_ap", "detection_auc" and "detection_accuracy".
	Intervals map[string]Interval `json:"intervals,omitempty"`

	// Over all pixels of each picture, as other tools compute them.
	F1Plain          *float64 `json:"f1_plain"` // no band along the mask's border is ignored
	BalancedAccuracy *float64 `json:"balanced_accuracy"`
	MCC              *float64 `json:"mcc"`
	// Pooled has the scores of the pixels of all pictures together. It is missing without pictures,
	// and for results that were stored without the numbers of their pixels.
	Pooled *Pooled `json:"pooled,omitempty"`
}

// Pooled are scores in which each pixel counts the same, in whichever picture it is.
type Pooled struct {
	IoU              float64  `json:"iou"` // percent
	F1               float64  `json:"f1"`  // no band along the masks' borders is ignored
	BalancedAccuracy *float64 `json:"balanced_accuracy"`
	MCC              float64  `json:"mcc"`
}

// PooledOf gives the scores of the pixels of all manipulated pictures with masks together. It is
// nil where Averages.Pooled is. Pictures without scores are left out.
func PooledOf(pictures []Picture) *Pooled {
	return averages(slices.DeleteFunc(slices.Clone(pictures), func(p Picture) bool { return p.Err != nil })).Pooled
}

func newPooled(p *metric.Pooled) *Pooled {
	if p.Count() == 0 {
		return nil
	}
	pooled := &Pooled{IoU: p.IoU(), F1: p.F1(), MCC: p.MCC()}
	if v := p.BalancedAccuracy(); !math.IsNaN(v) {
		pooled.BalancedAccuracy = &v
	}
	return pooled
}

// Interval contains a score with 95 % confidence, with regard to the choice of pictures only.
type Interval [2]float64

// Detection says how well a score separates manipulated pictures from untouched ones.
type Detection struct {
	AP           float64 `json:"ap"`
	AUC          float64 `json:"auc"`
	Accuracy     float64 `json:"accuracy"` // at the threshold
	BestAccuracy float64 `json:"best_accuracy"`
	// FoundAt1 is the share of the manipulated pictures above a threshold that at most 1 % of the
	// untouched ones exceed.
	FoundAt1 float64 `json:"found_at_1_percent"`
	// ECE and Reliability take the score as a probability, of pictures of which half are manipulated;
	// only for a model's own score.
	ECE         *float64     `json:"ece,omitempty"`
	Reliability []metric.Bin `json:"reliability,omitempty"`
}

// Summary is a model's scores over a set of pictures.
type Summary struct {
	Averages
	// UntouchedFlagged is the share of the untouched pictures that are flagged, in [0,1].
	UntouchedFlagged *float64   `json:"untouched_flagged"`
	Detection        *Detection `json:"detection,omitempty"` // by the mean probability, as published
	// DetectionByFlags uses the probability that one pixel in a hundred exceeds. It is the score of
	// models that run at full resolution.
	DetectionByFlags *Detection `json:"detection_by_flags,omitempty"`
	// DetectionByNetwork uses the model's own score of the whole picture, where it gives one.
	DetectionByNetwork *Detection `json:"detection_by_network,omitempty"`
	// Methods has the averages of manipulated pictures by method.
	Methods map[string]Averages `json:"methods,omitempty"`
	Failed  int                 `json:"-"` // pictures without scores; they are in no average
}

// Summarize averages the scores of pictures.
func Summarize(pictures []Picture, o SummaryOptions) Summary {
	var s Summary
	var good []Picture
	methods := map[string][]Picture{}
	for _, p := range pictures {
		if p.Err != nil {
			s.Failed++
			continue
		}
		good = append(good, p)
		if p.Method != "" && p.Masked && p.Scores.Manipulated > 0 {
			methods[p.Method] = append(methods[p.Method], p)
		}
	}
	all := averages(good)
	s.Averages = all.Averages
	if all.summary.Untouched.Count() > 0 {
		share := all.summary.Untouched.Share(o.Threshold)
		s.UntouchedFlagged = &share
	}
	if s.Manipulated > 0 && s.Untouched > 0 {
		s.Detection, s.DetectionByFlags = detected(&all.detection, o.Threshold), detected(&all.flags, o.Threshold)
		if all.network.Count() == len(good) {
			n, ece := detected(&all.network, o.Threshold), all.network.ECE()
			n.ECE, n.Reliability = &ece, all.network.Reliability()
			s.DetectionByNetwork = n
		}
	}
	s.Intervals = intervals(scoresOf(good), o)
	for name, list := range methods {
		if s.Methods == nil {
			s.Methods = map[string]Averages{}
		}
		m := averages(list).Averages
		m.Intervals = intervals(localization(list), o)
		s.Methods[name] = m
	}
	return s
}

// detected scores a classification by a threshold.
func detected(d *metric.Detection, threshold float64) *Detection {
	best, _ := d.BestAccuracy()
	return &Detection{AP: d.AP(), AUC: d.AUC(), Accuracy: d.Accuracy(threshold), BestAccuracy: best, FoundAt1: d.FoundAt(0.01)}
}

// sums are averages with the sums that they are computed from.
type sums struct {
	Averages
	summary   metric.Summary
	detection metric.Detection // by mean
	flags     metric.Detection // by FlagScore
	network   metric.Detection // by NetworkScore
	pooled    metric.Pooled
	unpooled  bool // a picture has no numbers of pixels
}

// averages adds up the scores of pictures.
func averages(pictures []Picture) *sums {
	a := &sums{}
	for _, p := range pictures {
		a.Pictures++
		a.detection.Add(p.Scores.Score, p.Manipulated)
		a.flags.Add(p.Scores.FlagScore, p.Manipulated)
		if p.NetworkScore != nil {
			a.network.Add(*p.NetworkScore, p.Manipulated)
		}
		switch {
		case !p.Manipulated:
			a.Untouched++
			a.summary.Untouched.Add(p.Scores.FlagScore)
		case p.Masked:
			a.Manipulated++
			a.summary.Add(p.Scores)
			a.pooled.Add(p.Scores)
			a.unpooled = a.unpooled || math.IsNaN(p.Scores.F1Plain)
		default:
			a.Manipulated++
		}
	}
	s := &a.summary
	for _, m := range []struct {
		name string
		mean *metric.Mean
		to   **float64
	}{
		{"iou", &s.IoU, &a.IoU}, {"f1_fixed", &s.F1Fixed, &a.F1Fixed}, {"f1_best", &s.F1Best, &a.F1Best},
		{"ap", &s.AP, &a.AP}, {"auc", &s.AUC, &a.AUC},
		{"f1_plain", &s.F1Plain, &a.F1Plain}, {"balanced_accuracy", &s.BalancedAccuracy, &a.BalancedAccuracy}, {"mcc", &s.MCC, &a.MCC},
	} {
		if v, ok := m.mean.Mean(); ok {
			*m.to = &v
		}
		if left := m.mean.LeftOut(); len(left) > 0 {
			if a.LeftOut == nil {
				a.LeftOut = map[string]map[string]int{}
			}
			a.LeftOut[m.name] = left
		}
	}
	if !a.unpooled {
		a.Pooled = newPooled(&a.pooled)
	}
	return a
}

// FirstError is the first error of a picture; nil if all have scores.
func FirstError(pictures []Picture) error {
	for _, p := range pictures {
		if p.Err != nil {
			return p.Err
		}
	}
	return nil
}
