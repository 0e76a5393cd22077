package train

import (
	"cmp"
	"time"
)

// timeEpoch records how long the epoch took.
func (t *trainer) timeEpoch() {
	now := time.Now()
	t.lastEpoch, t.epochBegan = now.Sub(t.epochBegan), now
}

// left estimates the remaining time of the training if no schedule ends it early: the rest of this
// epoch at the speed so far, and each further epoch as long as the one before.
func (t *trainer) left() time.Duration {
	step := time.Duration(0) // time per step
	if speed := t.meter.speed(); t.meter.steps > 0 {
		step = time.Duration(float64(time.Second) / speed)
	} else if t.lastEpoch > 0 {
		step = max(0, t.lastEpoch-t.state.Validation) / time.Duration(t.perEpoch)
	}
	whole := t.lastEpoch
	if whole == 0 {
		whole = step*time.Duration(t.perEpoch) + t.state.Validation
	}
	done := t.state.Step - int64(t.state.Epoch)*t.perEpoch // of this epoch
	left := time.Duration(t.config.Epochs-t.state.Epoch) * whole
	if done > 0 {
		left += time.Duration(t.perEpoch-done)*step + t.state.Validation - whole
	}
	if t.config.MaxTime > 0 {
		left = min(left, t.config.MaxTime-t.elapsed())
	}
	return max(0, left)
}

// meter adds up the time between and in steps.
type meter struct {
	steps          int64
	first, latest  time.Time
	waited, engine time.Duration
}

func (m *meter) add(waited, inEngine time.Duration) {
	now := time.Now()
	if m.steps == 0 {
		m.first = now.Add(-waited - inEngine)
	}
	m.steps++
	m.latest = now
	m.waited += waited
	m.engine += inEngine
}

// speed is in steps per second.
func (m *meter) speed() float64 {
	return float64(m.steps) / cmp.Or(m.latest.Sub(m.first).Seconds(), 1)
}

// outside is the share of the time in which the engine was idle, in [0,1].
func (m *meter) outside() float64 {
	total := cmp.Or(m.latest.Sub(m.first).Seconds(), 1)
	return max(0, 1-m.engine.Seconds()/total)
}
