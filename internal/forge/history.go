package forge

import (
	"context"
	_ "embed" // the tables
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/declip/declip/internal/picture"
)

// History is the compression of one picture, in order.
type History struct {
	Before []Treatment `json:"before,omitempty"` // of the host, before the manipulation
	Donor  []Treatment `json:"donor,omitempty"`  // of the photograph that was pasted from
	After  []Treatment `json:"after,omitempty"`  // of the whole picture, afterwards
}

// Kinds of treatments in a History.
const (
	savedAs  = "table"    // stored as JPEG; the value is a line of tables.txt, from 0
	uploaded = "platform" // resized and stored as JPEG; the value is an index of platforms
	resized  = "resize"   // the factor by which a platform resized
)

// tableText lists quantisation tables as cameras, editors and publishers wrote them, counted in
// photographs for training.
//
//go:embed tables.txt
var tableText string

// weighedTables are tables and the weights with which they are drawn.
type weighedTables struct {
	tables  []picture.JPEGTables
	weights []float64
}

// realTables parses tableText. Weights are the roots of the counts, so that rare ones occur.
var realTables = sync.OnceValues(func() (weighedTables, error) {
	var w weighedTables
	for _, line := range strings.Split(strings.TrimSpace(tableText), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		numbers := make([]int, 0, 3+128)
		for _, field := range strings.Fields(line) {
			n, err := strconv.Atoi(field)
			if err != nil {
				return w, fmt.Errorf("quantisation tables: %w", err)
			}
			numbers = append(numbers, n)
		}
		if len(numbers) != 3+128 {
			return w, fmt.Errorf("quantisation tables: a line has %d numbers, expected %d", len(numbers), 3+128)
		}
		t := picture.JPEGTables{Horizontal: numbers[1], Vertical: numbers[2]}
		for i := range 64 {
			t.Luma[i], t.Chroma[i] = uint8(numbers[3+i]), uint8(numbers[3+64+i])
		}
		w.tables, w.weights = append(w.tables, t), append(w.weights, math.Sqrt(float64(numbers[0])))
	}
	return w, nil
})

// platform is what a service on the web does to uploaded pictures, approximately.
type platform struct {
	qualityLow, qualityHigh int // in libjpeg's scale
}

// platforms: large photographs stay recognisable, messengers compress most.
var platforms = []platform{{80, 90}, {71, 80}, {85, 92}, {60, 75}}

// save stores a picture as JPEG and reads it back.
func save(p *picture.RGB, t picture.JPEGTables) (*picture.RGB, []byte, error) {
	file, err := picture.EncodeJPEGTables(p, t)
	if err != nil {
		return nil, nil, err
	}
	d, err := picture.Decode(file, picture.Limits{MaxPixels: math.MaxInt64})
	if err != nil {
		return nil, nil, fmt.Errorf("read back jpeg: %w", err)
	}
	return d.RGB, file, nil
}

// drawTable draws one of realTables.
func (d dice) drawTable() (picture.JPEGTables, int, error) {
	known, err := realTables()
	if err != nil {
		return picture.JPEGTables{}, 0, err
	}
	i := d.weighted(known.weights...)
	return known.tables[i], i, nil
}

// live gives a photograph a life before it is manipulated: none, or it was saved by an editor, or
// it was on a platform. It keeps its size, as its window has been chosen.
func (d dice) live(p *picture.RGB) (*picture.RGB, []Treatment, error) {
	switch d.weighted(0.45, 0.4, 0.15) {
	case 1:
		t, i, err := d.drawTable()
		if err != nil {
			return nil, nil, err
		}
		out, _, err := save(p, t)
		return out, []Treatment{{savedAs, float64(i)}}, err
	case 2:
		i := d.IntN(len(platforms))
		out, _, err := save(p, d.platformTables(i))
		return out, []Treatment{{uploaded, float64(i)}}, err
	}
	return p, nil, nil
}

func (d dice) platformTables(i int) picture.JPEGTables {
	t := picture.StandardTables(d.between(platforms[i].qualityLow, platforms[i].qualityHigh))
	t.Horizontal, t.Vertical = 2, 2
	return t
}

// finishHistory treats the picture and gives it a life after the manipulation: it is saved, or goes
// through one or two platforms, which resize most pictures.
func (f *Forger) finishHistory(ctx context.Context, s *Sample, d dice) error {
	s.Treatment = d.drawTreatment(f.config.Treated)
	for _, step := range s.Treatment {
		if err := d.treat(s, step); err != nil {
			return err
		}
	}
	err := f.publish(ctx, s, d)
	s.Share = share(s.Mask)
	return err
}

// publish saves the picture in one of the configuration's formats.
func (f *Forger) publish(ctx context.Context, s *Sample, d dice) error {
	if chosen := choice(f.config.Formats); chosen != nil {
		return d.publishIn(ctx, s, chosen)
	}
	return d.publish(s)
}

// live gives a photograph a life before it is manipulated, in the configuration's formats.
func (f *Forger) live(ctx context.Context, p *picture.RGB, d dice) (*picture.RGB, []Treatment, error) {
	if chosen := choice(f.config.Formats); chosen != nil {
		return d.liveIn(ctx, p, chosen)
	}
	return d.live(p)
}

// publish saves the picture: as PNG, as JPEG, or as a platform does.
func (d dice) publish(s *Sample) error {
	s.Format = FormatJPEG
	switch d.weighted(0.15, 0.55, 0.3) {
	case 0:
		s.Format = FormatPNG
		return nil
	case 1:
		return d.saveByTable(s)
	}
	return d.throughPlatforms(s)
}

// saveByTable saves the picture as JPEG as a camera or an editor does.
func (d dice) saveByTable(s *Sample) error {
	t, i, err := d.drawTable()
	if err != nil {
		return err
	}
	s.History.After = append(s.History.After, Treatment{savedAs, float64(i)})
	s.Picture, s.encoded, err = save(s.Picture, t)
	return err
}

// throughPlatforms sends the picture through one or two platforms.
func (d dice) throughPlatforms(s *Sample) error {
	for range 1 + d.weighted(0.8, 0.2) {
		i := d.IntN(len(platforms))
		if err := d.platformSize(s); err != nil {
			return err
		}
		s.History.After = append(s.History.After, Treatment{uploaded, float64(i)})
		var err error
		if s.Picture, s.encoded, err = save(s.Picture, d.platformTables(i)); err != nil {
			return err
		}
	}
	return nil
}

// platformSize makes most pictures smaller.
func (d dice) platformSize(s *Sample) error {
	if !d.chance(0.7) {
		return nil
	}
	by := round3(d.uniform(0.5, 0.95))
	if small := float64(3*minSide) / float64(max(s.Picture.Width, s.Picture.Height)); by < small {
		by = round3(min(1, small))
	}
	return d.shrink(s, by)
}

// shrink resizes the picture by a factor of at most 1.
func (d dice) shrink(s *Sample, by float64) error {
	if by >= 1 {
		return nil
	}
	s.History.After = append(s.History.After, Treatment{resized, by})
	return d.treat(s, Treatment{"resample", by})
}
