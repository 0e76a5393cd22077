package metric

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Mean is a running average that keeps no samples. It counts the values left out, by reason. The
// zero value is ready for use.
type Mean struct {
	sum     float64
	count   int
	leftOut map[string]int
}

// Add adds a value. NaN and infinities are left out and counted.
func (m *Mean) Add(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		m.LeaveOut("not a number")
		return
	}
	m.sum += v
	m.count++
}

// addDefined adds a value unless it is NaN.
func (m *Mean) addDefined(v float64) {
	if !math.IsNaN(v) {
		m.Add(v)
	}
}

// LeaveOut counts a value that is not defined, with the reason.
func (m *Mean) LeaveOut(reason string) {
	if m.leftOut == nil {
		m.leftOut = map[string]int{}
	}
	m.leftOut[reason]++
}

// Mean is the average of the added values, and whether there are any.
func (m *Mean) Mean() (float64, bool) {
	if m.count == 0 {
		return 0, false
	}
	return m.sum / float64(m.count), true
}

// Count is the number of values in the average.
func (m *Mean) Count() int { return m.count }

// LeftOut is the number of values left out, by reason; nil if none was. It must
// not be changed.
func (m *Mean) LeftOut() map[string]int { return m.leftOut }

// String is the average with what was left out, such as "0.5310 (2 left out: ...)".
func (m *Mean) String() string {
	text := "-"
	if v, ok := m.Mean(); ok {
		text = fmt.Sprintf("%.4f", v)
	}
	var reasons []string
	n := 0
	for _, reason := range slices.Sorted(maps.Keys(m.leftOut)) {
		n += m.leftOut[reason]
		reasons = append(reasons, reason)
	}
	if n == 0 {
		return text
	}
	return fmt.Sprintf("%s (%d left out: %s)", text, n, strings.Join(reasons, "; "))
}

// MarshalJSON writes {"mean": number or null, "count": n, "left_out": {reason: n}},
// the last only if something was left out.
func (m *Mean) MarshalJSON() ([]byte, error) {
	var mean *float64
	if v, ok := m.Mean(); ok {
		mean = &v
	}
	return json.Marshal(struct {
		Mean    *float64       `json:"mean"`
		Count   int            `json:"count"`
		LeftOut map[string]int `json:"left_out,omitempty"`
	}{mean, m.count, m.leftOut})
}

// Reasons for which a score of a manipulated picture is left out of its average.
const (
	ReasonFullMask     = "the mask covers the whole picture"
	ReasonNothingSure  = "no pixel lies outside the band along the mask's border" // lint:allow stored in results
	ReasonConstantSure = "the prediction is constant, so there is no threshold to choose"
)

// Summary averages the scores of many pictures. Untouched pictures, those with an empty mask, count
// in Untouched only, since every other score is meaningless or trivial for them. The zero value is
// ready for use.
type Summary struct {
	IoU       Mean  `json:"iou"` // percent
	F1Fixed   Mean  `json:"f1_fixed"`
	F1Best    Mean  `json:"f1_best"`
	AP        Mean  `json:"ap"`
	AUC       Mean  `json:"auc"`
	Untouched Flags `json:"untouched_flagged"`

	// Not defined in results that were stored without them.
	F1Plain          Mean `json:"f1_plain"`
	BalancedAccuracy Mean `json:"balanced_accuracy"`
	MCC              Mean `json:"mcc"`
}

// Add adds the scores of a picture.
func (s *Summary) Add(r Result) {
	if r.Manipulated == 0 {
		s.Untouched.Add(r.FlagScore)
		return
	}
	s.IoU.Add(r.IoU)
	s.F1Fixed.Add(r.F1Fixed)
	s.AP.Add(r.AP)
	s.F1Plain.addDefined(r.F1Plain)
	s.MCC.addDefined(r.MCC)
	if r.Manipulated == r.Pixels {
		s.BalancedAccuracy.LeaveOut(ReasonFullMask)
	} else {
		s.BalancedAccuracy.addDefined(r.BalancedAccuracy)
	}
	switch {
	case !math.IsNaN(r.F1Best):
		s.F1Best.Add(r.F1Best)
	case r.Sure == 0:
		s.F1Best.LeaveOut(ReasonNothingSure)
	default:
		s.F1Best.LeaveOut(ReasonConstantSure)
	}
	if r.Manipulated == r.Pixels {
		s.AUC.LeaveOut(ReasonFullMask)
	} else {
		s.AUC.Add(r.AUC)
	}
}
