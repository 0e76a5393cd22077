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

// Sample is one picture with its ground truth.
type Sample struct {
	Picture *picture.Picture // picture.New of pixels that come from no file or were changed
	// Mask has the size of Picture; 255 = manipulated, 0 = untouched. It is nil for a picture that
	// has only a label; see Options.Labels.
	Mask   *picture.Gray
	Label  Label  // of the whole picture, if the source has one; see Manipulated
	Name   string // for messages and reports: the file's name, or the source's name for the picture
	Path   string // of the picture's file; "" if it has none
	Method string // how it was manipulated; "" if unknown
}

// Label says what a whole picture is.
type Label uint8

// The labels. An unlabelled picture is classified by its mask.
const (
	Unlabelled Label = iota
	Untouched
	Manipulated
)

// Manipulated is the label's answer. Without a label it is whether any pixel of the mask counts as
// manipulated (> 0.5, that is 128 and above).
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

// Source is a collection of samples, by index in [0, Len). Load is safe for concurrent use, gives
// the same sample for the same index every time, and its errors name the file.
type Source interface {
	Len() int
	Load(ctx context.Context, i int) (Sample, error)
}

// Generated is a source whose samples are computed on demand and not read from files.
type Generated struct {
	Count int    // samples, by index in [0, Count)
	ID    string // identifies the samples: the same ID means the same samples
	Make  func(ctx context.Context, i int) (Sample, error)
}

// Len implements Source.
func (g Generated) Len() int { return g.Count }

// Load implements Source.
func (g Generated) Load(ctx context.Context, i int) (Sample, error) { return g.Make(ctx, i) }

// Fingerprint is a hexadecimal SHA-256 that identifies the samples.
func (g Generated) Fingerprint() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", g.Count, g.ID))
	return hex.EncodeToString(sum[:])
}

// ErrEmpty is wrapped by the errors about a collection without pictures.
var ErrEmpty = errors.New("no pictures")

// random is the generator for one place in a sequence: the same keys give the same stream,
// different keys give independent ones. The keys are mixed by SplitMix64 (Steele, Lea, Flood,
// 2014).
func random(seed uint64, keys ...uint64) *rand.Rand {
	h := mix(seed)
	for _, k := range keys {
		h = mix(h ^ mix(k+0x632be59bd9b4e019))
	}
	return rand.New(rand.NewPCG(h, mix(h+0x9e3779b97f4a7c15)))
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
