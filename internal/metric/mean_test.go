package metric

import (
	"encoding/json"
	"math"
	"testing"
)

func TestMean(t *testing.T) {
	var m Mean
	if _, ok := m.Mean(); ok || m.String() != "-" {
		t.Error("an empty mean has a value")
	}
	m.Add(1)
	m.Add(math.NaN())
	m.Add(math.Inf(1))
	m.Add(2)
	m.LeaveOut("because")
	if v, ok := m.Mean(); v != 1.5 || !ok || m.Count() != 2 {
		t.Errorf("mean %v, %v of %d", v, ok, m.Count())
	}
	if m.LeftOut()["not a number"] != 2 || m.LeftOut()["because"] != 1 {
		t.Errorf("left out %v", m.LeftOut())
	}
	if got, want := m.String(), "1.5000 (3 left out: because; not a number)"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
}

// TestSummary: pictures with undefined scores are left out of those scores'
// averages only, untouched ones of all.
func TestSummary(t *testing.T) {
	var s Summary
	add := func(prob []float32, truth []bool, w int) {
		t.Helper()
		r, err := Evaluate(prob, truth, w, len(prob)/w, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		s.Add(r)
	}
	fill := func(n int, p float32) []float32 {
		prob := make([]float32, n)
		for i := range prob {
			prob[i] = p
		}
		return prob
	}
	half := make([]bool, 400) // right half of 20 x 20
	for i := range half {
		half[i] = i%20 >= 10
	}
	stripes := make([]bool, 400)
	for i := range stripes {
		stripes[i] = i%20%2 == 0
	}
	good, _ := synthetic(20, 20, 1)
	for i := range good {
		good[i] = good[i]/2 + 0.4*float32(bit(half[i]))
	}
	full := make([]bool, 400)
	for i := range full {
		full[i] = true
	}
	add(good, half, 20)
	add(fill(400, 0.9), half, 20)           // constant: no F1Best
	add(good, stripes, 20)                  // nothing sure: no F1Best
	add(good, full, 20)                     // no AUC
	add(fill(400, 0), make([]bool, 400), 1) // untouched, not flagged
	add(fill(400, 0.6), make([]bool, 400), 1)

	for name, want := range map[string]struct {
		mean  *Mean
		count int
	}{"IoU": {&s.IoU, 4}, "F1Fixed": {&s.F1Fixed, 4}, "F1Best": {&s.F1Best, 2}, "AP": {&s.AP, 4}, "AUC": {&s.AUC, 3}} {
		v, ok := want.mean.Mean()
		if !ok || math.IsNaN(v) || want.mean.Count() != want.count {
			t.Errorf("%s: %v of %d pictures, want %d", name, v, want.mean.Count(), want.count)
		}
	}
	if s.F1Best.LeftOut()[ReasonConstantSure] != 1 || s.F1Best.LeftOut()[ReasonNothingSure] != 1 || s.AUC.LeftOut()[ReasonFullMask] != 1 {
		t.Errorf("left out: %v, %v", s.F1Best.LeftOut(), s.AUC.LeftOut())
	}
	if s.Untouched.Count() != 2 || s.Untouched.Share(0.5) != 0.5 {
		t.Errorf("untouched: %v of %d flagged", s.Untouched.Share(0.5), s.Untouched.Count())
	}
	text, err := json.Marshal(&s)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		F1Best struct {
			Mean    float64        `json:"mean"`
			Count   int            `json:"count"`
			LeftOut map[string]int `json:"left_out"`
		} `json:"f1_best"`
		Untouched struct {
			Share float64 `json:"share"`
			Count int     `json:"count"`
		} `json:"untouched_flagged"`
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back.F1Best.Count != 2 || len(back.F1Best.LeftOut) != 2 || back.Untouched.Share != 0.5 || back.Untouched.Count != 2 {
		t.Errorf("JSON %s", text)
	}
}

func TestEmptySummaryIsJSON(t *testing.T) {
	text, err := json.Marshal(&Summary{})
	want := `{"iou":{"mean":null,"count":0},"f1_fixed":{"mean":null,"count":0},"f1_best":{"mean":null,"count":0},` +
		`"ap":{"mean":null,"count":0},"auc":{"mean":null,"count":0},"untouched_flagged":{"share":null,"count":0},` +
		`"f1_plain":{"mean":null,"count":0},"balanced_accuracy":{"mean":null,"count":0},"mcc":{"mean":null,"count":0}}`
	if err != nil || string(text) != want {
		t.Errorf("got %s, %v; want %s", text, err, want)
	}
}

func TestFlags(t *testing.T) {
	var f Flags
	if f.Share(0.5) != 0 || f.Threshold(0.1) != 0 {
		t.Error("no pictures, yet a share or threshold")
	}
	for i := range 20 {
		f.Add(float64(i*7%20) / 20) // 0, 0.05 ... 0.95, shuffled
	}
	for share, want := range map[float64]float64{0: 0.95, 0.04: 0.95, 0.05: 0.9, 0.1: 0.85, 0.5: 0.45, 1: 0} {
		threshold := f.Threshold(share)
		if threshold != want || f.Share(threshold) > share {
			t.Errorf("Threshold(%v) = %v, which flags %v; want %v", share, threshold, f.Share(threshold), want)
		}
	}
}

// TestAllowed: the integer count agrees with the comparison of fractions that
// Flagged invites, for every size.
func TestAllowed(t *testing.T) {
	for n := 1; n < 5000; n++ {
		k := allowed(n, FlagShare)
		if float64(k)/float64(n) > FlagShare || float64(k+1)/float64(n) <= FlagShare {
			t.Fatalf("allowed(%d) = %d", n, k)
		}
	}
}
