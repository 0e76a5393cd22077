package evaluate

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/declip/declip/internal/metric"
)

func pictures(n int, seed uint64) []Picture {
	r := rand.New(rand.NewPCG(seed, 1))
	list := make([]Picture, n)
	for i := range list {
		list[i] = Picture{Manipulated: i%3 != 0, Masked: true, Method: "m"}
		s := metric.Result{IoU: 40 + 10*r.NormFloat64(), F1Fixed: r.Float64(), F1Best: r.Float64(), AP: r.Float64(), AUC: r.Float64(), Pixels: 100,
			Score: 0.3 + 0.2*r.NormFloat64(), FlagScore: r.Float64()}
		if list[i].Manipulated {
			s.Manipulated, s.Sure, s.Score = 30, 80, s.Score+0.2
		}
		list[i].Scores = s
	}
	return list
}

// For a mean of many values the percentile interval comes near the textbook's, mean +- 1.96
// s/sqrt(n); with 4000 draws its ends are within a few % of the half width.
func TestIntervalOfAMean(t *testing.T) {
	list := pictures(900, 5)
	s := Summarize(list, SummaryOptions{Threshold: 0.5, Bootstrap: 4000, Seed: 2})
	sum, squares, n := 0.0, 0.0, 0.0
	for _, p := range list {
		if p.Manipulated {
			sum, squares, n = sum+p.Scores.IoU, squares+p.Scores.IoU*p.Scores.IoU, n+1
		}
	}
	mean := sum / n
	half := 1.96 * math.Sqrt((squares/n-mean*mean)/n)
	got := s.Intervals["iou"]
	if math.Abs(got[0]-(mean-half)) > 0.08*half || math.Abs(got[1]-(mean+half)) > 0.08*half {
		t.Errorf("interval %v, expected about [%.3f, %.3f]", got, mean-half, mean+half)
	}
	for _, name := range []string{"iou", "f1_fixed", "f1_best", "ap", "auc", "untouched_flagged", "detection_ap", "detection_auc", "detection_accuracy"} {
		if i, ok := s.Intervals[name]; !ok || i[0] >= i[1] {
			t.Errorf("%s: interval %v", name, i)
		}
	}
	d := s.Detection
	if i := s.Intervals["detection_ap"]; d.AP < i[0] || d.AP > i[1] {
		t.Errorf("AP %v outside %v", d.AP, i)
	}
	if i := s.Intervals["detection_auc"]; d.AUC < i[0] || d.AUC > i[1] {
		t.Errorf("AUC %v outside %v", d.AUC, i)
	}
	if i := s.Methods["m"].Intervals["iou"]; len(s.Methods["m"].Intervals) != 8 || i[0] >= i[1] {
		t.Errorf("by method: %v", s.Methods["m"].Intervals)
	}
}

func TestIntervalsFollowTheSeed(t *testing.T) {
	list := pictures(60, 6)
	a := Summarize(list, SummaryOptions{Threshold: 0.5, Bootstrap: 100, Seed: 1})
	b := Summarize(list, SummaryOptions{Threshold: 0.5, Bootstrap: 100, Seed: 1})
	c := Summarize(list, SummaryOptions{Threshold: 0.5, Bootstrap: 100, Seed: 2})
	if !reflect.DeepEqual(a, b) || reflect.DeepEqual(a.Intervals, c.Intervals) {
		t.Error("the same seed gives other intervals, or another the same")
	}
	if none := Summarize(list, DefaultSummaryOptions()); none.Intervals != nil {
		t.Errorf("intervals without draws: %v", none.Intervals)
	}
}

// numpy.percentile([1, 2, 4, 8, 16], [2.5, 50, 97.5]) = 1.1, 4, 15.2
func TestPercentile(t *testing.T) {
	sorted := []float64{1, 2, 4, 8, 16}
	for share, want := range map[float64]float64{0: 1, 0.025: 1.1, 0.5: 4, 0.975: 15.2, 1: 16} {
		if got := percentile(sorted, share); math.Abs(got-want) > 1e-12 {
			t.Errorf("percentile %g is %g, expected %g", share, got, want)
		}
	}
}
