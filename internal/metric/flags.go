package metric

import (
	"encoding/json"
	"math"
	"slices"
)

// FlagShare is the fraction of pixels over the threshold above which a picture is flagged as
// manipulated.
const FlagShare = 0.01

// Flagged is the fraction of pixels whose probability is over the threshold, 0
// for no pixels. A picture is flagged if it is greater than FlagShare.
func Flagged(prob []float32, threshold float64) float64 {
	if len(prob) == 0 {
		return 0
	}
	n := 0
	for _, p := range prob {
		n += int(bit(float64(p) > threshold))
	}
	return float64(n) / float64(len(prob))
}

// FlagScore is the highest probability that more than FlagShare of the pixels reach. The picture is
// flagged at a threshold if and only if FlagScore is greater than it, so that one number is enough
// for all thresholds in [0,1]. It is 0 for no pixels.
func FlagScore(prob []float32) float64 {
	if len(prob) == 0 {
		return 0
	}
	return fromTop(prob, allowed(len(prob), FlagShare))
}

// Top is the highest probability that more than the given share of the pixels reach, 0 for no
// pixels. FlagScore is Top of FlagShare.
func Top(prob []float32, share float64) float64 {
	if len(prob) == 0 {
		return 0
	}
	return fromTop(prob, allowed(len(prob), share))
}

// fromTop is the k-th highest probability, counted from 0; 0 if there are no more than k. It does
// not sort: one pass counts the pixels by the upper half of their bits and finds the upper half of
// the answer, another counts the pixels with this upper half by their lower half. Its memory does
// not grow with the picture.
func fromTop(prob []float32, k int) float64 {
	if k < 0 || k >= len(prob) {
		return 0
	}
	const half = 15 // of the 30 bits of a score
	counts := make([]uint32, 1<<half)
	for _, p := range prob {
		counts[scoreBits(p)>>half]++
	}
	upper, left := descend(counts, uint32(k))
	clear(counts)
	for _, p := range prob {
		if bits := scoreBits(p); bits>>half == upper {
			counts[bits&(1<<half-1)]++
		}
	}
	lower, _ := descend(counts, left)
	return float64(math.Float32frombits(upper<<half | lower))
}

// descend finds the value of the k-th highest element, counted from 0, and its rank among the
// elements of this value.
func descend(counts []uint32, k uint32) (value, left uint32) {
	value = uint32(len(counts) - 1)
	for ; value > 0 && counts[value] <= k; value-- {
		k -= counts[value]
	}
	return value, k
}

// allowed is the largest count out of n that is not more than share of it.
func allowed(n int, share float64) int {
	k := int(share * float64(n))
	for float64(k)/float64(n) > share {
		k--
	}
	for float64(k+1)/float64(n) <= share {
		k++
	}
	return k
}

// Flags collects the FlagScores of pictures and gives the share that is flagged at any threshold.
// The zero value is ready for use.
type Flags struct {
	scores []float64
}

// Add adds a picture by its FlagScore.
func (f *Flags) Add(flagScore float64) { f.scores = append(f.scores, flagScore) }

// Count is the number of pictures.
func (f *Flags) Count() int { return len(f.scores) }

// At is the number of pictures flagged at a threshold.
func (f *Flags) At(threshold float64) int {
	n := 0
	for _, s := range f.scores {
		n += int(bit(s > threshold))
	}
	return n
}

// Share is the fraction of pictures flagged at a threshold, 0 without pictures.
func (f *Flags) Share(threshold float64) float64 {
	if len(f.scores) == 0 {
		return 0
	}
	return float64(f.At(threshold)) / float64(len(f.scores))
}

// Threshold is the lowest threshold at which at most the given fraction of the
// pictures is flagged, 0 without pictures.
func (f *Flags) Threshold(share float64) float64 {
	if len(f.scores) == 0 {
		return 0
	}
	k := allowed(len(f.scores), share)
	if k >= len(f.scores) {
		return 0
	}
	sorted := slices.Sorted(slices.Values(f.scores))
	return sorted[len(sorted)-1-max(k, 0)]
}

// MarshalJSON writes the number of pictures and the share flagged at the default
// threshold, null without pictures.
func (f *Flags) MarshalJSON() ([]byte, error) {
	var share *float64
	if len(f.scores) > 0 {
		s := f.Share(DefaultThreshold)
		share = &s
	}
	return json.Marshal(struct {
		Share *float64 `json:"share"`
		Count int      `json:"count"`
	}{share, len(f.scores)})
}
