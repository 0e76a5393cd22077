package autoencoder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Config says how an autoencoder is trained.
type Config struct {
	Photos []string // files
	Shape  Shape
	Steps  int
	Batch  int     // crops in a step
	Crop   int     // side of a crop, pixels, a multiple of Reduction
	LR     float64 // highest learning rate, reached after a twentieth of the steps
	Seed   uint64
	Limits picture.Limits

	// Step, if set, is called after each step.
	Step func(done, steps int, loss float64)
}

// DefaultConfig trains for two to three minutes on two cores.
func DefaultConfig() Config {
	return Config{Shape: DefaultShape, Steps: 800, Batch: 8, Crop: 96, LR: 2e-3, Seed: 1}
}

// Validate reports the first setting that Train cannot work with.
func (c Config) Validate() error {
	switch {
	case len(c.Photos) < 2:
		return fmt.Errorf("%d photographs: expected at least 2, to train the autoencoder and to test it", len(c.Photos))
	case c.Steps < 1 || c.Batch < 1 || c.Batch > 256:
		return fmt.Errorf("%d steps of %d crops: expected at least 1, and at most 256 crops", c.Steps, c.Batch)
	case c.Crop < 32 || c.Crop > 512 || c.Crop%Reduction != 0:
		return fmt.Errorf("crops of %d pixels: expected 32 to 512, a multiple of %d", c.Crop, Reduction)
	case !(c.LR > 0):
		return fmt.Errorf("learning rate %g: expected more than 0", c.LR)
	}
	return c.Shape.Validate()
}

// Summary describes a finished training.
type Summary struct {
	Photos     int           `json:"photos"`  // trained on
	Held       int           `json:"held"`    // held out for the test
	Unreadable []error       `json:"-"`       // photographs left out
	Weights    int           `json:"weights"` // trained values
	PSNR       float64       `json:"psnr"`    // of the held-out photographs, dB
	Steps      int           `json:"steps"`
	Seed       uint64        `json:"seed"`
	Elapsed    time.Duration `json:"-"`
}

// Train fits an autoencoder to photographs. One in eight is held out, and the quality of their
// reconstruction is measured at the end. The same photographs, configuration and number of threads
// give the same weights.
func Train(ctx context.Context, e *engine.Engine, c Config) (*Codec, Summary, error) {
	begin := time.Now()
	if err := c.Validate(); err != nil {
		return nil, Summary{}, err
	}
	album, err := openAlbum(ctx, c)
	if err != nil {
		return nil, Summary{}, err
	}
	t, err := newTrainer(e, c)
	if err != nil {
		return nil, Summary{}, fmt.Errorf("training step of the autoencoder: %w", err)
	}
	defer t.close()
	for i := range c.Steps {
		album.fill(t.batch(), c, i)
		loss, err := t.run(ctx, i)
		if err != nil {
			return nil, Summary{}, err
		}
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return nil, Summary{}, fmt.Errorf("step %d: the loss is %v: try a lower learning rate than %g", i+1, loss, c.LR)
		}
		if c.Step != nil {
			c.Step(i+1, c.Steps, loss)
		}
	}
	codec, err := newCodec(e, c.Shape, t.weights())
	if err != nil {
		return nil, Summary{}, err
	}
	s := Summary{Photos: len(album.train), Held: len(album.held), Unreadable: album.unreadable,
		Weights: len(codec.theta), Steps: c.Steps, Seed: c.Seed}
	if s.PSNR, err = codec.Fidelity(ctx, album.held); err != nil {
		return nil, Summary{}, err
	}
	s.Elapsed = time.Since(begin)
	return codec, s, nil
}

// Fidelity is the mean peak signal-to-noise ratio of pictures after encoding and decoding, in dB:
// 10 log10(255^2 / mean squared difference).
func (c *Codec) Fidelity(ctx context.Context, pictures []*picture.RGB) (float64, error) {
	if len(pictures) == 0 {
		return 0, errors.New("no pictures to measure the autoencoder with")
	}
	sum := 0.0
	for _, p := range pictures {
		z, w, h, err := c.Encode(ctx, p)
		if err != nil {
			return 0, err
		}
		back, err := c.Decode(ctx, z, w, h, p.Width, p.Height)
		if err != nil {
			return 0, err
		}
		square := 0.0
		for i, v := range p.Pix {
			d := float64(v) - float64(back.Pix[i])
			square += d * d
		}
		// Rounding to levels limits what can be measured.
		sum += 10 * math.Log10(255*255/max(square/float64(len(p.Pix)), 1e-3))
	}
	return sum / float64(len(pictures)), nil
}

// Limits of an album.
const (
	albumMost = 400 // photographs
	albumSide = 512 // pixels on each side of a photograph's window
	holdEvery = 8   // photographs of which one is held out
)

// album holds a window of each photograph in memory.
type album struct {
	train, held []*picture.RGB
	unreadable  []error
}

// openAlbum reads the photographs, in random order, until there are enough.
func openAlbum(ctx context.Context, c Config) (*album, error) {
	a := &album{}
	rng := rand.New(rand.NewPCG(c.Seed, 0x616c62756d))
	for _, i := range rng.Perm(len(c.Photos)) {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if len(a.train)+len(a.held) == albumMost {
			break
		}
		p, err := openPhoto(c.Photos[i], c)
		if err != nil {
			a.unreadable = append(a.unreadable, err)
			continue
		}
		w, h := min(p.Width, albumSide), min(p.Height, albumSide)
		window := cut(p, rng.IntN(p.Width-w+1), rng.IntN(p.Height-h+1), w, h)
		if len(a.held) < (len(a.train)+len(a.held)+holdEvery)/holdEvery {
			a.held = append(a.held, window)
		} else {
			a.train = append(a.train, window)
		}
	}
	if len(a.train) == 0 {
		return nil, fmt.Errorf("%d of the %d photographs can be used, expected at least 2: %w", len(a.held), len(c.Photos), errors.Join(a.unreadable...))
	}
	return a, nil
}

// openPhoto reads a photograph that is large enough for a crop. A panic becomes an error that names
// the file.
func openPhoto(path string, c Config) (*picture.RGB, error) {
	var d *picture.Picture
	err := parallel.Catch(func() (err error) {
		parallel.Point("load")
		d, err = picture.Open(path, c.Limits)
		return err
	})
	switch {
	case parallel.Stack(err) != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case err != nil:
		return nil, err
	case min(d.RGB.Width, d.RGB.Height) < c.Crop:
		return nil, fmt.Errorf("%s: %d x %d pixels, expected at least %d on each side", path, d.RGB.Width, d.RGB.Height, c.Crop)
	}
	return d.RGB, nil
}

// fill draws the crops of a step, half of them mirrored, into [N, 3, Crop, Crop].
func (a *album) fill(dst []float32, c Config, step int) {
	rng := rand.New(rand.NewPCG(c.Seed, uint64(step)))
	each := 3 * c.Crop * c.Crop
	for n := range c.Batch {
		p := a.train[rng.IntN(len(a.train))]
		crop := cut(p, rng.IntN(p.Width-c.Crop+1), rng.IntN(p.Height-c.Crop+1), c.Crop, c.Crop)
		values := planes(crop, c.Crop, c.Crop)
		if rng.IntN(2) == 0 {
			mirror(values, c.Crop)
		}
		copy(dst[n*each:], values)
	}
}

// mirror flips planes of rows of the given length left to right.
func mirror(v []float32, side int) {
	for row := 0; row < len(v); row += side {
		for l, r := row, row+side-1; l < r; l, r = l+1, r-1 {
			v[l], v[r] = v[r], v[l]
		}
	}
}

// cut copies a part of a picture.
func cut(p *picture.RGB, x, y, w, h int) *picture.RGB {
	out := picture.NewRGB(w, h)
	for row := range h {
		copy(out.Pix[row*w*3:(row+1)*w*3], p.Pix[((y+row)*p.Width+x)*3:])
	}
	return out
}
