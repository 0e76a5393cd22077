package forge

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Forger makes samples by index. It is safe for concurrent use.
type Forger struct {
	config  Config
	methods []string
	album   *album

	mu    sync.Mutex
	round uint64 // of the shuffled photographs in order
	order []int
}

// New checks the configuration and lists the photographs. Make does not use Out, Count, Workers and
// Progress.
func New(c Config) (*Forger, error) {
	if err := c.validateMaking(); err != nil {
		return nil, err
	}
	a, err := openAlbum(c.Photos, c.Limits, c.CacheBytes)
	if err != nil {
		return nil, err
	}
	return &Forger{config: c, methods: c.Methods, album: a}, nil
}

// Photos returns the number of photographs.
func (f *Forger) Photos() int { return len(f.album.paths) }

// Failures returns the photographs that could not be used so far, by path.
func (f *Forger) Failures() []Failure { return f.album.failures() }

// Make returns the sample with this index. Any index is allowed, so there is no end to the samples.
// The picture is as read back from its file, JPEG compression included. Errors, and panics as
// errors, name the index.
func (f *Forger) Make(ctx context.Context, index uint64) (Sample, error) {
	var s Sample
	err := parallel.Catch(func() (err error) {
		parallel.Point("forge")
		d := newDice(f.config.Seed, index)
		if s, err = f.draft(ctx, index, d); err != nil {
			return err
		}
		return f.finish(ctx, &s, d)
	})
	if err != nil {
		return Sample{}, fmt.Errorf("picture %d: %w", index, err)
	}
	return s, nil
}

// tries bounds the draws for one picture. Every third uses another photograph.
const tries = 30

// draft makes the sample up to the manipulation; finish does the rest.
func (f *Forger) draft(ctx context.Context, index uint64, d dice) (Sample, error) {
	s := Sample{Index: index, Method: f.methodFor(index)}
	if d.chance(f.config.Pristine) {
		s.Method = MethodPristine
	}
	s.Name = fmt.Sprintf("%06d_%s", index, s.Method)
	order := f.orderFor(index)
	start := int(index % uint64(len(order)))
	for try := range tries {
		if ctx.Err() != nil {
			return s, context.Cause(ctx)
		}
		photo, host, err := f.album.from(order, start+try/3, -1)
		if err != nil {
			return s, err
		}
		if s.Picture, s.Crop, err = f.crop(photo, d); err != nil {
			return s, err
		}
		if f.config.Histories {
			s.History = History{}
			if s.Picture, s.History.Before, err = f.live(ctx, s.Picture, d); err != nil {
				return s, err
			}
		}
		s.Sources, s.Params = []string{f.album.paths[host]}, Params{}
		if s.Method == MethodPristine {
			s.Mask = picture.NewGray(s.Picture.Width, s.Picture.Height)
			return s, nil
		}
		c, err := registry[s.Method](ctx, f.sceneFor(ctx, &s, host, d))
		if errors.Is(err, errUnsuitable) {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("%s on %s: %w", s.Method, s.Sources[0], err)
		}
		if plausible(s.Picture, c, f.config.shares()) {
			s.Picture, s.Mask, s.Share = c.out, c.mask, share(c.mask)
			return s, nil
		}
	}
	return s, fmt.Errorf("could not make a %s in %d tries, the last on %s: the photographs may be too plain or too small", s.Method, tries, s.Sources[0])
}

// methodFor distributes the methods evenly: n consecutive pictures, n being the number of methods,
// use each method once, in random order.
func (f *Forger) methodFor(index uint64) string {
	n := uint64(len(f.methods))
	perm := newDice(f.config.Seed^0x6d6574686f64, index/n).Perm(len(f.methods))
	return f.methods[perm[index%n]]
}

// orderFor returns the order of the photographs for this index. Each is used once before any is
// used again.
func (f *Forger) orderFor(index uint64) []int {
	n := len(f.album.paths)
	round := index / uint64(n)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.order == nil || f.round != round {
		f.round, f.order = round, newDice(f.config.Seed^0x70686f746f, round).Perm(n)
	}
	return f.order
}

// sceneFor prepares the input of a method.
func (f *Forger) sceneFor(ctx context.Context, s *Sample, host int, d dice) *scene {
	return &scene{
		dice: d, host: s.Picture, share: d.drawShare(f.config.shares()), least: min(MinShare, f.config.ShareMin), params: s.Params,
		codec: f.config.Codec, pasteBack: f.config.PasteBack,
		donor: func(w, h int) (*picture.RGB, error) {
			order := d.Perm(len(f.album.paths))
			photo, i, err := f.album.from(order, 0, host)
			if err != nil {
				return nil, err
			}
			s.Sources = append(s.Sources, f.album.paths[i])
			window := d.window(photo, w, h)
			if f.config.Histories {
				window, s.History.Donor, err = f.live(ctx, window, d)
			}
			return window, err
		},
	}
}

// newChange starts from a copy of the host with an empty mask.
func newChange(host *picture.RGB) *change {
	return &change{out: host.Clone(), mask: picture.NewGray(host.Width, host.Height)}
}

// plausible rejects forgeries whose share is out of range or that hardly differ from the original:
// their masks would mark unchanged pixels.
func plausible(before *picture.RGB, c *change, shares [2]float64) bool {
	if c.before != nil {
		before = c.before
	}
	const leastMean, leastChanged = 1.5, 0.4 // levels; share of the mask
	n, changed, sum := 0, 0, 0
	for i, v := range c.mask.Pix {
		if v == 0 {
			continue
		}
		n++
		d := 0
		for k := i * 3; k < i*3+3; k++ {
			d = max(d, abs(int(before.Pix[k])-int(c.out.Pix[k])))
		}
		sum += d
		if d > 0 {
			changed++
		}
	}
	got := float64(n) / float64(len(c.mask.Pix))
	return got >= shares[0] && got <= shares[1] &&
		float64(sum) >= leastMean*float64(n) && float64(changed) >= leastChanged*float64(n)
}
