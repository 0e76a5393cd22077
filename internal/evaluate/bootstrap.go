package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/declip/declip/internal/metric"
)

// confidence of an Interval.
const confidence = 0.95

// least is the number of pictures from which an interval can be estimated.
const least = 2

// statistic is a score of a set of pictures in which picture i counts weights[i] times; NaN if it
// is not defined.
type statistic func(weights []int, threshold float64) float64

// drawn is a set of pictures to draw from, and the scores to compute from each draw.
type drawn struct {
	count      int
	statistics map[string]statistic
}

// localization has the averages over the manipulated pictures.
func localization(pictures []Picture) drawn {
	d := drawn{len(pictures), map[string]statistic{}}
	add := func(name string, value func(r metric.Result) float64) {
		values, defined := make([]float64, len(pictures)), 0
		for i, p := range pictures {
			values[i] = math.NaN()
			if p.Masked && p.Manipulated && p.Scores.Manipulated > 0 {
				values[i] = value(p.Scores)
			}
			if !math.IsNaN(values[i]) {
				defined++
			}
		}
		if defined >= least {
			d.statistics[name] = meanOf(values)
		}
	}
	add("iou", func(r metric.Result) float64 { return r.IoU })
	add("f1_fixed", func(r metric.Result) float64 { return r.F1Fixed })
	add("f1_best", func(r metric.Result) float64 { return r.F1Best })
	add("ap", func(r metric.Result) float64 { return r.AP })
	add("auc", func(r metric.Result) float64 { return r.AUC })
	add("f1_plain", func(r metric.Result) float64 { return r.F1Plain })
	add("balanced_accuracy", func(r metric.Result) float64 { return r.BalancedAccuracy })
	add("mcc", func(r metric.Result) float64 { return r.MCC })
	return d
}

// scoresOf has all scores for which a Summary gives an interval.
func scoresOf(pictures []Picture) drawn {
	d := localization(pictures)
	scores, manipulated := make([]float64, len(pictures)), make([]bool, len(pictures))
	kinds := [2]int{}
	for i, p := range pictures {
		scores[i], manipulated[i] = p.Scores.Score, p.Manipulated
		kinds[index(p.Manipulated)]++
	}
	if kinds[0] < least {
		return d
	}
	d.statistics["untouched_flagged"] = func(weights []int, threshold float64) float64 {
		flagged, untouched := 0, 0
		for i, w := range weights {
			if !manipulated[i] {
				untouched += w
				if pictures[i].Scores.FlagScore > threshold {
					flagged += w
				}
			}
		}
		return float64(flagged) / float64(untouched)
	}
	if kinds[1] < least {
		return d
	}
	order := metric.NewDetectionOrder(scores, manipulated)
	d.statistics["detection_ap"] = func(weights []int, _ float64) float64 { return order.AP(weights) }
	d.statistics["detection_auc"] = func(weights []int, _ float64) float64 { return order.AUC(weights) }
	d.statistics["detection_accuracy"] = func(weights []int, threshold float64) float64 {
		right, all, kinds := 0, 0, [2]int{}
		for i, w := range weights {
			all += w
			if (scores[i] > threshold) == manipulated[i] {
				right += w
			}
			kinds[index(manipulated[i])] += w
		}
		if kinds[0] == 0 || kinds[1] == 0 {
			return math.NaN()
		}
		return float64(right) / float64(all)
	}
	return d
}

// index is 1 for manipulated pictures, 0 for others.
func index(manipulated bool) int {
	if manipulated {
		return 1
	}
	return 0
}

// meanOf is the average of the values that are numbers.
func meanOf(values []float64) statistic {
	return func(weights []int, _ float64) float64 {
		sum, n := 0.0, 0
		for i, w := range weights {
			if w > 0 && !math.IsNaN(values[i]) {
				sum += float64(w) * values[i]
				n += w
			}
		}
		return sum / float64(n) // 0/0 is NaN
	}
}

// intervals repeatedly draws as many pictures as the set has, with replacement. A score's interval
// is the middle 95 % of its values (Efron's percentile interval). Draws in which a score is not
// defined do not count for it; a score that is not defined in half of them has no interval. The
// same seed gives the same draws for every model on the same pictures.
func intervals(d drawn, o SummaryOptions) map[string]Interval {
	if o.Bootstrap < 1 || d.count == 0 {
		return nil
	}
	values := map[string][]float64{}
	random := rand.New(rand.NewPCG(o.Seed, uint64(d.count)))
	weights := make([]int, d.count)
	for range o.Bootstrap {
		clear(weights)
		for range weights {
			weights[random.IntN(d.count)]++
		}
		for name, value := range d.statistics {
			if v := value(weights, o.Threshold); !math.IsNaN(v) {
				values[name] = append(values[name], v)
			}
		}
	}
	list := map[string]Interval{}
	for name, v := range values {
		if 2*len(v) <= o.Bootstrap {
			continue
		}
		slices.Sort(v)
		list[name] = Interval{percentile(v, (1-confidence)/2), percentile(v, (1+confidence)/2)}
	}
	return list
}

// percentile interpolates linearly between sorted values, as numpy.percentile does.
func percentile(sorted []float64, share float64) float64 {
	at := share * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
