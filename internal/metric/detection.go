package metric

import (
	"cmp"
	"math"
	"slices"
)

// Detection measures how well the scores of pictures separate manipulated pictures from untouched
// ones. The score is commonly the mean of the pixel probabilities. The zero value is ready for use.
type Detection struct {
	pictures []scored
}

type scored struct {
	score       float64
	manipulated bool
}

// Add adds a picture. A NaN score counts as the lowest.
func (d *Detection) Add(score float64, manipulated bool) {
	if math.IsNaN(score) {
		score = math.Inf(-1)
	}
	d.pictures = append(d.pictures, scored{score, manipulated})
}

// Count is the number of pictures.
func (d *Detection) Count() int { return len(d.pictures) }

// AP is the average precision over pictures, 0 without manipulated ones.
func (d *Detection) AP() float64 {
	c := d.curve()
	return c.ap()
}

// AUC is the area under the ROC curve over pictures, NaN unless there are both
// kinds.
func (d *Detection) AUC() float64 {
	c := d.curve()
	return c.auc()
}

// Accuracy is the fraction of pictures classified correctly if those with a score above the
// threshold are called manipulated. It is NaN without pictures.
func (d *Detection) Accuracy(threshold float64) float64 {
	right := 0
	for _, p := range d.pictures {
		if (p.score > threshold) == p.manipulated {
			right++
		}
	}
	return float64(right) / float64(len(d.pictures))
}

// BestAccuracy is the highest accuracy of any threshold, and the highest threshold that reaches it,
// halfway between two scores. The threshold may be -Inf (all pictures manipulated) or +Inf (none).
// The accuracy is NaN without pictures.
func (d *Detection) BestAccuracy() (accuracy, threshold float64) {
	sorted := d.sorted()
	right := 0 // at +Inf: all untouched pictures
	for _, p := range sorted {
		right += int(bit(!p.manipulated))
	}
	best, threshold := right, math.Inf(1)
	for i, p := range sorted {
		if p.manipulated {
			right++
		} else {
			right--
		}
		next := math.Inf(-1)
		if i+1 < len(sorted) {
			next = sorted[i+1].score
		}
		if right > best && (i+1 == len(sorted) || next < p.score) {
			best, threshold = right, between(next, p.score)
		}
	}
	return float64(best) / float64(len(sorted)), threshold
}

// between is halfway from low to high, or low if rounding or an infinity leaves no number between:
// a score counts as manipulated only if it is greater.
func between(low, high float64) float64 {
	middle := low + (high-low)/2
	if middle >= low && middle < high {
		return middle
	}
	return low
}

// curve adds up the pictures, highest score first.
func (d *Detection) curve() curve {
	var c curve
	sorted := d.sorted()
	for i := 0; i < len(sorted); {
		var pos, neg uint64
		for score := sorted[i].score; i < len(sorted) && sorted[i].score == score; i++ {
			if sorted[i].manipulated {
				pos++
			} else {
				neg++
			}
		}
		c.add(pos, neg)
	}
	return c
}

// sorted is the pictures, highest score first.
func (d *Detection) sorted() []scored {
	sorted := slices.Clone(d.pictures)
	slices.SortFunc(sorted, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	return sorted
}

// DetectionOrder ranks pictures by their scores once, so that many draws from them can be scored.
type DetectionOrder struct {
	pictures []scored
	index    []int // indices of the pictures, highest score first
}

// NewDetectionOrder takes each picture's score and whether it was manipulated. A NaN score counts
// as the lowest.
func NewDetectionOrder(scores []float64, manipulated []bool) *DetectionOrder {
	o := &DetectionOrder{}
	for i, s := range scores {
		if math.IsNaN(s) {
			s = math.Inf(-1)
		}
		o.pictures = append(o.pictures, scored{s, manipulated[i]})
		o.index = append(o.index, i)
	}
	slices.SortFunc(o.index, func(a, b int) int { return cmp.Compare(o.pictures[b].score, o.pictures[a].score) })
	return o
}

// AP is the average precision where picture i counts weights[i] times, NaN unless there are both
// kinds.
func (o *DetectionOrder) AP(weights []int) float64 {
	c := o.curve(weights)
	if c.fp == 0 || c.tp == 0 {
		return math.NaN()
	}
	return c.ap()
}

// AUC is the area under the ROC curve where picture i counts weights[i] times, NaN unless there are
// both kinds.
func (o *DetectionOrder) AUC(weights []int) float64 {
	c := o.curve(weights)
	return c.auc()
}

// curve adds up the pictures with their weights, highest score first.
func (o *DetectionOrder) curve(weights []int) curve {
	var c curve
	for i := 0; i < len(o.index); {
		var n [2]uint64
		for score := o.pictures[o.index[i]].score; i < len(o.index) && o.pictures[o.index[i]].score == score; i++ {
			p := o.index[i]
			n[bit(o.pictures[p].manipulated)] += uint64(weights[p])
		}
		c.add(n[1], n[0])
	}
	return c
}
