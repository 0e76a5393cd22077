package metric

import (
	"fmt"
	"sort"
)

// F1At is the F1 score of a map [h,w] at each of the given thresholds, which must be in ascending
// order. It ignores the band along the mask's border as F1 does, and reads the pixels once for any
// number of thresholds.
func F1At(prob []float32, truth []bool, w, h int, thresholds []float64) ([]float64, error) {
	if w <= 0 || h <= 0 || len(prob) != w*h || len(truth) != w*h {
		return nil, fmt.Errorf("%d probabilities and %d mask pixels for a picture of %d x %d",
			len(prob), len(truth), w, h)
	}
	if !sort.Float64sAreSorted(thresholds) {
		return nil, fmt.Errorf("thresholds are not in ascending order: %v", thresholds)
	}
	b := getBuffers(len(prob))
	defer b.put()
	markSure(b.sure, truth, w, h)
	// over[k] counts the pixels of either kind whose probability is over exactly k thresholds.
	over := make([][2]int, len(thresholds)+1)
	var total [2]int
	for i, p := range prob {
		if p != p {
			return nil, fmt.Errorf("probability at (%d,%d) is not a number", i%w, i/w)
		}
		if b.sure[i] {
			k := sort.SearchFloat64s(thresholds, float64(p)) // the first that p does not exceed
			over[k][bit(truth[i])]++
			total[bit(truth[i])]++
		}
	}
	scores := make([]float64, len(thresholds))
	var found [2]int
	for k := len(thresholds); k > 0; k-- {
		found[0] += over[k][0]
		found[1] += over[k][1]
		scores[k-1] = f1(confusion{tp: found[1], fp: found[0], fn: total[1] - found[1]})
	}
	return scores, nil
}
