package train

import (
	"math"
	"time"
)

// Constants of the published early stopping.
const (
	patience    = 5    // epochs without improvement until the rate drops
	lowestRate  = 1e-6 // training ends below
	improvement = 1e-3 // in the units of the criterion; twice that after the first drop
)

// rate is the learning rate for the next step, of total steps.
func (c Config) rate(s State, total int64) float64 {
	if c.Schedule != Cosine {
		return c.LR * math.Pow(10, -float64(s.Drops))
	}
	if s.Step < c.Warmup {
		return c.LR * float64(s.Step+1) / float64(c.Warmup)
	}
	progress := float64(s.Step-c.Warmup) / math.Max(1, float64(total-c.Warmup))
	if c.MaxTime > 0 {
		progress = math.Max(progress, float64(s.Elapsed)/float64(c.deadline(s)))
	}
	const last = 0.01 // of the full rate
	return c.LR * (last + (1-last)*(1+math.Cos(math.Pi*math.Min(progress, 1)))/2)
}

// deadline is when steps must end so that a last validation fits into MaxTime.
func (c Config) deadline(s State) time.Duration {
	return max(c.MaxTime-s.Validation*6/5, time.Second)
}

// judge notes an epoch's score: whether it is the best so far, and what follows for the plateau
// schedule. Without a score the latest epoch is the best.
func (c Config) judge(s *State, score *Score) (best bool) {
	if score == nil {
		s.BestEpoch = s.Epoch
		return true
	}
	value := score.by(c.BestBy)
	if c.Supervision == Detection && score.Detection != nil {
		value = score.Detection.AP
	}
	margin := improvement
	if c.BestBy != ByIoU {
		margin /= 100 // the criterion is in [0,1] instead of percent
	}
	if s.Drops > 0 {
		margin *= 2
	}
	if s.BestEpoch == 0 || value >= s.Anchor+margin {
		s.Anchor, s.Stale = value, 0
	} else {
		s.Stale++
	}
	if c.Schedule == Plateau && s.Stale >= patience {
		s.Drops, s.Stale = s.Drops+1, 0
		if c.LR*math.Pow(10, -float64(s.Drops)) < lowestRate {
			s.Ended = true
		}
	}
	if s.BestEpoch == 0 || value > s.Best {
		s.Best, s.BestEpoch = value, s.Epoch
		return true
	}
	return false
}
