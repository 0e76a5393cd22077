package metric

import (
	"math"
	"testing"
)

func TestReliability(t *testing.T) {
	var d Detection
	if d.Reliability() != nil || !math.IsNaN(d.ECE()) || !math.IsNaN(d.FoundAt(0.01)) {
		t.Error("no pictures have a reliability")
	}
	// Two manipulated pictures weigh as much as four untouched ones.
	for _, v := range []float64{0.05, 0.07, 0.31, 0.95} {
		d.Add(v, false)
	}
	d.Add(0.97, true)
	d.Add(1, true)
	bins := d.Reliability()
	if len(bins) != 3 {
		t.Fatalf("%d bins, expected 3: %+v", len(bins), bins)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %g, expected %g", what, got, want)
		}
	}
	near("weight of the first bin", bins[0].Weight, 0.25)
	near("its probability", bins[0].Probability, 0.06)
	near("weight of the last bin", bins[2].Weight, 0.625)
	near("its share", bins[2].Manipulated, 0.8)
	near("its probability", bins[2].Probability, (0.125*0.95+0.25*1.97)/0.625)
	near("ECE", d.ECE(), 0.25*0.06+0.125*0.31+0.625*(bins[2].Probability-0.8))
	near("found without false alarms", d.FoundAt(0), 1)
	d.Add(0.99, false)
	near("found without false alarms", d.FoundAt(0), 0.5)
	near("found at a fifth of false alarms", d.FoundAt(0.2), 1)
}
