// Package dataset brings pictures with their masks to training and evaluation: it reads folders of
// pictures and masks, turns them into normalised crops with targets, and hands these out in batches
// that are prepared in parallel.
//
// Everything that is drawn at random depends on a seed and on the position in the sequence only, so
// that the same batches come out whatever the number of workers, and so that a training can be taken
// up again at any step.
package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/declip/declip/internal/picture"
)

// Sample is one picture with the truth about it.
type Sample struct {
	Picture *picture.RGB
	// Mask has the size of Picture; 255 = manipulated, 0 = as taken. It is nil only where pictures that come
	// with nothing but a label were asked for.
	Mask   *picture.Gray
	Label  Label  // of the whole picture, where the source gives one; see Manipulated
	Name   string // for messages and reports: a file's name, or what the source calls it
	Path   string // of the picture's file; "" where there is none
	Method string // how it was manipulated; "" where nobody said
}

// Label says what a whole picture is.
type Label uint8

// The labels. Unlabelled pictures are told by their masks.
const (
	Unlabelled Label = iota
	Untouched
	Manipulated
)

// Manipulated says what the label says and, without one, whether any pixel of the mask counts as manipulated
// (> 0.5, that is 128 and above).
func (s Sample) Manipulated() bool {
	if s.Label != Unlabelled || s.Mask == nil {
		return s.Label == Manipulated
	}
	for _, v := range s.Mask.Pix {
		if v > 127 {
			return true
		}
	}
	return false
}

// Source is a collection of samples, by index in [0, Len). Load is safe for concurrent use and gives
// the same sample for the same index every time.
type Source interface {
	Len() int
	Load(ctx context.Context, i int) (Sample, error)
}

// Generated is a source whose samples are made when they are asked for, without a folder.
type Generated struct {
	Count int    // samples, by index in [0, Count)
	ID    string // says how the samples come about; the same ID means the same samples
	Make  func(ctx context.Context, i int) (Sample, error)
}

// Len implements Source.
func (g Generated) Len() int { return g.Count }

// Load implements Source.
func (g Generated) Load(ctx context.Context, i int) (Sample, error) { return g.Make(ctx, i) }

// Fingerprint is a hexadecimal SHA-256 of what tells the samples from others.
func (g Generated) Fingerprint() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", g.Count, g.ID))
	return hex.EncodeToString(sum[:])
}

// ErrEmpty is what a collection without a single picture is refused with.
var ErrEmpty = errors.New("no pictures")

// random gives the generator of one place in a sequence: independent streams for different keys,
// the same stream for the same keys. The keys are mixed by SplitMix64 (Steele, Lea, Flood, 2014).
func random(seed uint64, keys ...uint64) *rand.Rand {
	h := mix(seed)
	for _, k := range keys {
		h = mix(h ^ mix(k+0x632be59bd9b4e019))
	}
	return rand.New(rand.NewPCG(h, mix(h+0x9e3779b97f4a7c15)))
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
