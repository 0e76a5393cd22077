package evidence

import (
	"context"
	"math"

	"github.com/declip/declip/internal/forensics/doublejpeg"
	"github.com/declip/declip/internal/forensics/jpeggrid"
	"github.com/declip/declip/internal/picture"
)

// side is that of a block in pixels.
const side = 8

// The channels, in their order.
const (
	ownChannels    = 0                                  // log-odds on the file's own grid
	otherChannels  = ownChannels + doublejpeg.Diagonals // log-odds on another grid
	columnChannels = otherChannels + doublejpeg.Diagonals
	rowChannels    = columnChannels + side // borders between rows, at the eight places
	stepsChannel   = rowChannels + side    // size of the file's quantisation steps
	// Channels is the number of values of each block.
	Channels = stepsChannel + 1
)

// unit is the log-odds, in nats, of about 0.76 in a channel: values go through tanh.
const unit = 3.0

// Map holds evidence for the blocks of a grid: Values [Channels, Height, Width], each in [-1, 1].
// What a picture has no trace of is 0.
type Map struct {
	Values        []float32
	Width, Height int // blocks
	// LeadX and LeadY are the columns and rows of pixels that the first blocks lack, in [0, 8).
	LeadX, LeadY int
}

// Find measures the evidence in a picture for the blocks of grid, which cover the whole picture:
// those at its borders may be incomplete. When ctx ends it returns ctx's error.
func Find(ctx context.Context, p *picture.RGB, grid jpeggrid.Grid) (*Map, error) {
	m := &Map{LeadX: (side - grid.X) % side, LeadY: (side - grid.Y) % side}
	m.Width, m.Height = (p.Width+m.LeadX+side-1)/side, (p.Height+m.LeadY+side-1)/side
	m.Values = make([]float32, Channels*m.Width*m.Height)
	own, other, err := doublejpeg.FindSpectra(ctx, p)
	if err != nil {
		return nil, err
	}
	m.addOdds(ownChannels, own)
	m.addOdds(otherChannels, other)
	if err := m.addBorders(ctx, p); err != nil {
		return nil, err
	}
	m.addSteps(p.Steps)
	return m, nil
}

// channel is the values of a channel, [Height, Width].
func (m *Map) channel(i int) []float32 {
	n := m.Width * m.Height
	return m.Values[i*n : (i+1)*n]
}

// addOdds brings the log-odds of another grid to this one, bilinear between the centres of blocks.
func (m *Map) addOdds(first int, s *doublejpeg.Spectrum) {
	if s == nil || s.Width == 0 || s.Height == 0 {
		return
	}
	columns, rows := between(m.Width, s.X+m.LeadX, s.Width), between(m.Height, s.Y+m.LeadY, s.Height)
	for k := range s.Odds {
		odds, to := s.Odds[k], m.channel(first+k)
		for y, r := range rows {
			above, below := odds[r.low*s.Width:], odds[r.high*s.Width:]
			for x, c := range columns {
				upper := above[c.low] + c.share*(above[c.high]-above[c.low])
				lower := below[c.low] + c.share*(below[c.high]-below[c.low])
				to[y*m.Width+x] = squashed(float64(upper+r.share*(lower-upper)) / unit)
			}
		}
	}
}

// place is between two blocks of another grid: share of the way from low to high.
type place struct {
	low, high int
	share     float32
}

// between gives the places of n blocks among count blocks that begin at origin pixels.
func between(n, origin, count int) []place {
	list := make([]place, n)
	for i := range list {
		at := min(max(float64(side*i-origin)/side, 0), float64(count-1))
		low := int(at)
		list[i] = place{low, min(low+1, count-1), float32(at - float64(low))}
	}
	return list
}

// addSteps adds the size of the file's low quantisation steps: from 0 for 1 to nearly 1 for 100.
func (m *Map) addSteps(steps *[64]uint16) {
	if steps == nil {
		return
	}
	sum, n := 0.0, 0.0
	for i, s := range steps {
		if down, across := i/side, i%side; down+across <= doublejpeg.Diagonals {
			sum += math.Log(float64(max(s, 1)))
			n++
		}
	}
	value := squashed(sum / n / unit)
	channel := m.channel(stepsChannel)
	for i := range channel {
		channel[i] = value
	}
}

func squashed(v float64) float32 { return float32(math.Tanh(v)) }
