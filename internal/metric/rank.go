package metric

import (
	"math"
	"sync"
)

// AP, AUC and the best F1 need the pixels in order of probability. The bits of a float32 in [0,1]
// sort like the number and are below 2^30, so a 32-bit key has room for two labels: whether the
// pixel is manipulated and whether it is sure. The keys are sorted by three counting passes of ten
// bits.
const (
	digitBits = 10
	digits    = 3
	labelBits = 2 // manipulated, sure
	buckets   = 1 << digitBits
)

// buffers is the working memory for one picture, which is reused.
type buffers struct {
	keys, scratch []uint32 // keys are sorted, lowest first, after sort
	sure          []bool
}

var pool = sync.Pool{New: func() any { return new(buffers) }}

// getBuffers is working memory for n pixels, which put returns to the pool.
func getBuffers(n int) *buffers {
	b := pool.Get().(*buffers)
	if cap(b.keys) < n {
		b.keys, b.scratch, b.sure = make([]uint32, n), make([]uint32, n), make([]bool, n)
	}
	b.keys, b.scratch, b.sure = b.keys[:n], b.scratch[:n], b.sure[:n]
	return b
}

func (b *buffers) put() { pool.Put(b) }

// scoreBits is the bits of a probability, below 2^30. Values outside [0,1] are clamped, NaN and
// negative zero are zero.
func scoreBits(p float32) uint32 {
	switch {
	case !(p > 0):
		return 0
	case p > 1:
		p = 1
	}
	return math.Float32bits(p)
}

// sort fills the keys and sorts them, lowest probability first. truth and sure may be nil.
func (b *buffers) sort(prob []float32, truth, sure []bool) {
	var counts [digits][buckets]uint32
	for i, p := range prob {
		bits := scoreBits(p)
		key := bits << labelBits
		if truth != nil {
			key |= bit(truth[i]) << 1
		}
		if sure != nil {
			key |= bit(sure[i])
		}
		b.keys[i] = key
		counts[0][bits%buckets]++
		counts[1][bits>>digitBits%buckets]++
		counts[2][bits>>(2*digitBits)%buckets]++
	}
	for d := range counts {
		b.pass(&counts[d], labelBits+d*digitBits)
	}
}

// pass sorts the keys stably by the ten bits from shift on. counts has the number of keys with each
// value.
func (b *buffers) pass(counts *[buckets]uint32, shift int) {
	if len(b.keys) == 0 || counts[b.keys[0]>>shift%buckets] == uint32(len(b.keys)) {
		return // all alike
	}
	at := uint32(0)
	for i, n := range counts {
		counts[i] = at
		at += n
	}
	for _, key := range b.keys {
		place := &counts[key>>shift%buckets]
		b.scratch[*place] = key
		*place++
	}
	b.keys, b.scratch = b.scratch, b.keys
}

// scan walks down the sorted keys, one step per distinct probability.
func (b *buffers) scan() (all curve, best bestF1) {
	for _, key := range b.keys {
		best.pos += uint64(key & (key >> 1) & 1) // both labels
	}
	for i := len(b.keys) - 1; i >= 0; {
		score := b.keys[i] >> labelBits
		var n [1 << labelBits]uint64
		for ; i >= 0 && b.keys[i]>>labelBits == score; i-- {
			n[b.keys[i]%uint32(len(n))]++
		}
		all.add(n[2]+n[3], n[0]+n[1])
		if n[1]+n[3] > 0 {
			best.add(n[3], n[1])
		}
	}
	return all, best
}

// fromTop is the k-th highest probability, counted from 0, once the keys are sorted.
func (b *buffers) fromTop(k int) float64 {
	if k < 0 || k >= len(b.keys) {
		return 0
	}
	return float64(math.Float32frombits(b.keys[len(b.keys)-1-k] >> labelBits))
}

// rank is the curve of all pixels.
func rank(prob []float32, truth []bool) curve {
	b := getBuffers(len(prob))
	defer b.put()
	b.sort(prob, truth, nil)
	all, _ := b.scan()
	return all
}

// curve adds up average precision and the area under the ROC curve, from groups
// of equal score, highest first.
type curve struct {
	tp, fp    uint64  // so far; in the end, all positives and negatives
	precision float64 // sum over positives of the precision at their score
	area      uint64  // twice the number of pairs in the right order, ties half
}

// add adds the next lower score, shared by pos positives and neg negatives.
func (c *curve) add(pos, neg uint64) {
	c.area += neg * (2*c.tp + pos)
	c.tp += pos
	c.fp += neg
	if pos > 0 {
		c.precision += float64(pos) * (float64(c.tp) / float64(c.tp+c.fp))
	}
}

// ap is 0 without positives.
func (c *curve) ap() float64 {
	if c.tp == 0 {
		return 0
	}
	return c.precision / float64(c.tp)
}

// auc is NaN unless there are positives and negatives.
func (c *curve) auc() float64 {
	if c.tp == 0 || c.fp == 0 {
		return math.NaN()
	}
	return float64(c.area) / (2 * float64(c.tp) * float64(c.fp))
}

// bestF1 finds the highest F1 over thresholds, from groups of equal score, highest first. Every
// distinct score is a threshold, and pixels above it count as manipulated. The highest score, with
// no pixels above it, is not tried, as in the published code.
type bestF1 struct {
	pos    uint64 // all positives
	tp, fp uint64 // so far

	// The best fraction tp / (2 tp + fn + fp) of a threshold tried. A
	// denominator of zero means that none was.
	bestTP, bestDenominator uint64
}

// add adds the next lower score.
func (b *bestF1) add(pos, neg uint64) {
	if b.tp+b.fp > 0 {
		denominator := b.pos + b.tp + b.fp // 2 tp + fn + fp, at least 1
		// Compared by cross-multiplying: no division, and below 2^63 up to a
		// gigapixel.
		if b.bestDenominator == 0 || b.tp*b.bestDenominator > b.bestTP*denominator {
			b.bestTP, b.bestDenominator = b.tp, denominator
		}
	}
	b.tp += pos
	b.fp += neg
}

// value is the best F1, fixed if that is higher, NaN if no threshold was tried.
func (b *bestF1) value(fixed float64) float64 {
	if b.bestDenominator == 0 {
		return math.NaN()
	}
	return math.Max(fixed, f1Of(b.bestTP, b.bestDenominator))
}
