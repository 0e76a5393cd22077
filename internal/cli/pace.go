package cli

import (
	"fmt"
	"strings"
	"time"
)

// pace measures how fast a command works.
type pace struct {
	unit  string // what is counted, in the singular; "" for bytes
	total int64  // not positive if unknown
	done  int64
	now   time.Time // when done was set
	// What was done when the first word of it came says nothing about the speed: an earlier run may
	// have done it, and preparing took a part of the time.
	from  int64
	began time.Time
	left  time.Duration
	given bool // left is the command's own estimate
}

// add says how much is done at a time.
func (p *pace) add(done int64, now time.Time) {
	if p.began.IsZero() {
		p.from, p.began = done, now
	}
	p.done, p.now = done, now
}

// leastMeasured is the time after which a speed is a measurement.
const leastMeasured = time.Second

// speed is how many units are done in a second, and false as long as nothing was measured.
func (p *pace) speed() (float64, bool) {
	spent := p.now.Sub(p.began)
	if p.done <= p.from || spent < leastMeasured {
		return 0, false
	}
	return float64(p.done-p.from) / spent.Seconds(), true
}

// remaining is the time until all is done, and false as long as there is no estimate.
func (p *pace) remaining() (time.Duration, bool) {
	if p.given {
		return p.left, p.left > 0
	}
	speed, ok := p.speed()
	if !ok || p.done >= p.total {
		return 0, false
	}
	return time.Duration(float64(p.total-p.done) / speed * float64(time.Second)), true
}

// text is such as "12 of 60 pictures, 2.5 pictures/s, 19s left".
func (p *pace) text() string {
	parts := []string{p.count()}
	if speed, ok := p.speed(); ok && !p.given {
		parts = append(parts, p.rate(speed))
	}
	if left, ok := p.remaining(); ok {
		parts = append(parts, durationText(left)+" left")
	}
	return strings.Join(parts, ", ")
}

func (p *pace) count() string {
	switch {
	case p.unit == "" && p.total > 0:
		return sizeText(p.done) + " of " + sizeText(p.total)
	case p.unit == "":
		return sizeText(p.done)
	}
	return fmt.Sprintf("%d of %s", p.done, plural(int(p.total), p.unit))
}

// rate formats a speed: units in a second, or seconds for a unit where these are more.
func (p *pace) rate(speed float64) string {
	switch {
	case p.unit == "":
		return sizeText(int64(speed)) + "/s"
	case speed >= 10:
		return fmt.Sprintf("%.0f %ss/s", speed, p.unit)
	case speed >= 1:
		return fmt.Sprintf("%.1f %ss/s", speed, p.unit)
	case speed > 1.0/60:
		return fmt.Sprintf("%.1f s per %s", 1/speed, p.unit)
	}
	return fmt.Sprintf("%s per %s", durationText(time.Duration(float64(time.Second)/speed)), p.unit)
}

// durationText formats a duration to the second, or to the minute if it is long.
func durationText(d time.Duration) string {
	if d < 10*time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
