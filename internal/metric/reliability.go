package metric

import (
	"math"
	"slices"
)

// reliabilityBins is the number of bins of equal width that probabilities are sorted into.
const reliabilityBins = 10

// Bin compares the probabilities in a part of [0,1] with how often they were right. Manipulated and
// untouched pictures have the same total weight.
type Bin struct {
	Pictures    int     `json:"pictures"`
	Weight      float64 `json:"weight"`      // share of all pictures, in [0,1]
	Probability float64 `json:"probability"` // mean
	Manipulated float64 `json:"manipulated"` // share of the bin's weight
}

// Reliability sorts the pictures by their scores, which are probabilities, into bins of equal width
// from 0 to 1. Empty bins are left out. It is nil unless there are pictures of both kinds. The
// probabilities are treated as those of pictures of which half are manipulated.
func (d *Detection) Reliability() []Bin {
	var count [2]float64
	for _, p := range d.pictures {
		count[bit(p.manipulated)]++
	}
	if count[0] == 0 || count[1] == 0 {
		return nil
	}
	bins := make([]Bin, reliabilityBins)
	for _, p := range d.pictures {
		weight := 0.5 / count[bit(p.manipulated)]
		b := &bins[min(max(int(p.score*reliabilityBins), 0), reliabilityBins-1)]
		b.Pictures++
		b.Weight += weight
		b.Probability += weight * p.score
		b.Manipulated += weight * float64(bit(p.manipulated))
	}
	for i := range bins {
		if bins[i].Weight > 0 {
			bins[i].Probability /= bins[i].Weight
			bins[i].Manipulated /= bins[i].Weight
		}
	}
	return slices.DeleteFunc(bins, func(b Bin) bool { return b.Pictures == 0 })
}

// ECE is the expected calibration error (Naeini, Cooper and Hauskrecht, 2015) over the bins of
// Reliability: the mean difference between probability and share, by weight. It is NaN unless there
// are pictures of both kinds.
func (d *Detection) ECE() float64 {
	bins := d.Reliability()
	if bins == nil {
		return math.NaN()
	}
	sum := 0.0
	for _, b := range bins {
		sum += b.Weight * math.Abs(b.Probability-b.Manipulated)
	}
	return sum
}

// FoundAt is the share of the manipulated pictures whose score is greater than the lowest threshold
// that at most the given share of the untouched pictures exceeds. It is NaN unless there are
// pictures of both kinds.
func (d *Detection) FoundAt(falseAlarms float64) float64 {
	var untouched Flags
	manipulated := 0
	for _, p := range d.pictures {
		if p.manipulated {
			manipulated++
		} else {
			untouched.Add(p.score)
		}
	}
	if manipulated == 0 || untouched.Count() == 0 {
		return math.NaN()
	}
	threshold, found := untouched.Threshold(falseAlarms), 0
	for _, p := range d.pictures {
		if p.manipulated && p.score > threshold {
			found++
		}
	}
	return float64(found) / float64(manipulated)
}
