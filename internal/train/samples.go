package train

import (
	"fmt"
	"sync"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/train/tensorboard"
)

// TensorBoard shows a few of the validation pictures: the picture, the mask and the probabilities
// next to each other.
const (
	shownSamples = 4
	sampleSide   = 224 // pixels of the longer side at most
	sampleGap    = 4
)

// samples collects the maps to show of one validation. Its show is safe for concurrent use.
type samples struct {
	places map[int]int // index among the validation pictures to index among the shown ones
	mu     sync.Mutex
	images []tensorboard.Image
	err    error
}

// chooseSamples chooses some of n pictures, at even distances, always the same.
func chooseSamples(n int) *samples {
	s := &samples{places: map[int]int{}}
	count := min(n, shownSamples)
	for i := range count {
		s.places[(2*i+1)*n/(2*count)] = i
	}
	s.images = make([]tensorboard.Image, count)
	return s
}

// dueSamples says whether an epoch's maps are shown: the first ten epochs', then those of every
// tenth epoch and of the best, because pictures take space.
func dueSamples(epoch int, best bool) bool { return epoch <= 10 || epoch%10 == 0 || best }

// show adds a validation picture if it is among the chosen ones.
func (s *samples) show(place int, sample dataset.Sample, prob []float32) {
	at, ok := s.places[place]
	if !ok {
		return
	}
	strip := sampleStrip(sample, prob)
	png, err := picture.EncodePNG(strip, picture.Small)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = fmt.Errorf("tensorboard: map of %s: %w", sample.Name, err)
		return
	}
	s.images[at] = tensorboard.Image{Tag: "samples/" + sample.Name, Width: strip.Width, Height: strip.Height, PNG: png}
}

// gathered returns the shown pictures; fewer if some were left out of validation.
func (s *samples) gathered() ([]tensorboard.Image, error) {
	var list []tensorboard.Image
	for _, p := range s.images {
		if p.PNG != nil {
			list = append(list, p)
		}
	}
	return list, s.err
}

// sampleStrip puts the picture, its mask and the probabilities (white: manipulated) next to each
// other.
func sampleStrip(sample dataset.Sample, prob []float32) *picture.RGB {
	p := sample.Picture.RGB
	scale := min(1, float64(sampleSide)/float64(max(p.Width, p.Height)))
	w, h := max(1, int(float64(p.Width)*scale)), max(1, int(float64(p.Height)*scale))
	m := picture.Map{Prob: prob, Width: p.Width, Height: p.Height}
	strip := picture.NewRGB(3*w+2*sampleGap, h)
	for i := range strip.Pix {
		strip.Pix[i] = 128
	}
	parts := []*picture.RGB{picture.Resize(p, w, h), nil, grayRGB(picture.ResizeGray(m.ToGray(), w, h))}
	if sample.Mask != nil {
		parts[1] = grayRGB(picture.ResizeGray(sample.Mask, w, h))
	}
	for i, part := range parts {
		if part == nil {
			continue
		}
		for y := range h {
			copy(strip.Pix[3*(y*strip.Width+i*(w+sampleGap)):][:3*w], part.Pix[3*y*w:])
		}
	}
	return strip
}

func grayRGB(g *picture.Gray) *picture.RGB {
	p := picture.NewRGB(g.Width, g.Height)
	for i, v := range g.Pix {
		p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2] = v, v, v
	}
	return p
}
