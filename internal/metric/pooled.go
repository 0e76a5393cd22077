package metric

import "math"

// balancedAccuracy is the mean of the shares of manipulated and of other pixels that are judged
// right; NaN if there is none of one kind.
func balancedAccuracy(c confusion) float64 {
	return (float64(c.tp)/float64(c.tp+c.fn) + float64(c.tn)/float64(c.tn+c.fp)) / 2
}

// mcc is Matthews' correlation coefficient,
//
//	(tp tn - fp fn) / sqrt((tp+fp) (tp+fn) (tn+fp) (tn+fn))
//
// and 0 where that is not defined, as in scikit-learn.
func mcc(c confusion) float64 {
	tp, fp, fn, tn := float64(c.tp), float64(c.fp), float64(c.fn), float64(c.tn)
	// The root of each factor, since their product may exceed what float64 holds exactly.
	root := math.Sqrt(tp+fp) * math.Sqrt(tp+fn) * math.Sqrt(tn+fp) * math.Sqrt(tn+fn)
	if root == 0 {
		return 0
	}
	return (tp*tn - fp*fn) / root
}

// Pooled are scores of the pixels of several pictures together: a large picture counts for more
// than a small one. The zero value is ready for use.
type Pooled struct {
	pictures int
	sum      confusion
}

// Add adds the pixels of a picture that Evaluate has scored.
func (p *Pooled) Add(r Result) {
	p.pictures++
	p.sum.tp += r.Found
	p.sum.fp += r.False
	p.sum.fn += r.Manipulated - r.Found
	p.sum.tn += r.Pixels - r.Manipulated - r.False
}

// Count is the number of pictures.
func (p *Pooled) Count() int { return p.pictures }

// IoU is in percent, as that of a Result.
func (p *Pooled) IoU() float64 { return iou(p.sum) }

// F1 is the plain F1: no band along the masks' borders is ignored.
func (p *Pooled) F1() float64 { return f1(p.sum) }

// BalancedAccuracy is NaN if all pixels are manipulated, or none.
func (p *Pooled) BalancedAccuracy() float64 { return balancedAccuracy(p.sum) }

// MCC is Matthews' correlation coefficient, in [-1,1].
func (p *Pooled) MCC() float64 { return mcc(p.sum) }
