// Package forge makes manipulated pictures with exact masks out of real
// photographs: objects pasted from another photograph, parts of a picture
// copied elsewhere in it, and parts removed and filled in again. What it makes
// trains and judges detectors, so the draws are wide (shapes, sizes, blending,
// compression history) and the same treatment is given to untouched pictures,
// so that the treatment itself tells nothing.
//
// Every picture is a function of the photographs, the configuration and its
// index alone: the number of workers and the order of work change nothing.
package forge

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// MethodPristine is the method name given to untouched pictures.
const MethodPristine = "pristine"

// The share of a picture that a mask covers lies in [MinShare, MaxShare].
const (
	MinShare = 0.005
	MaxShare = 0.40
)

// ErrNoPhotos is returned for a folder in which no photograph is found.
var ErrNoPhotos = errors.New("no photographs found")

// errUnsuitable means that one draw did not lead to a usable forgery and
// another should be tried.
var errUnsuitable = errors.New("unsuitable draw")

// Config says what is made and from what.
type Config struct {
	Photos string // folder of photographs, walked
	Out    string // folder to write to; only Run needs it

	Methods  []string // method names (see Methods); none = all of them, and MethodLatent if there is a Codec
	Count    int      // pictures that Run makes
	Seed     uint64
	SizeMin  int     // longer side of a picture, pixels
	SizeMax  int     // a smaller photograph is taken whole
	JPEGMin  int     // quality of the final JPEG, 1..100
	JPEGMax  int     //
	Pristine float64 // share of untouched pictures with empty masks, [0,1]
	Treated  float64 // share of pictures treated as a whole afterwards (blur, noise, resampling, recompression), [0,1]
	ShareMin float64 // of a picture that is manipulated, within [MinShare, MaxShare]; 0 = MinShare
	ShareMax float64 // 0 = MaxShare

	// Codec is what the method "latent" works with; the others need none.
	Codec Codec
	// PasteBack is the share of latent pictures in which only the mask comes from the decoder and the rest is the
	// photograph's own, [0,1].
	PasteBack float64

	Workers    int   // 0 = one for each core the process may use
	CacheBytes int64 // memory for decoded photographs; 0 = 512 MiB
	Limits     picture.Limits

	// Progress, if set, is called after each picture, never concurrently.
	Progress func(done, total int)
}

// shares are the limits of what is manipulated.
func (c Config) shares() [2]float64 {
	return [2]float64{cmp.Or(c.ShareMin, MinShare), cmp.Or(c.ShareMax, MaxShare)}
}

// DefaultConfig returns the configuration that the command starts from.
func DefaultConfig() Config {
	return Config{
		Methods: Methods(), Count: 1000, Seed: 1,
		SizeMin: 256, SizeMax: 1024, JPEGMin: 75, JPEGMax: 100, Treated: 0.6,
		ShareMin: MinShare, ShareMax: MaxShare,
		CacheBytes: 512 << 20,
	}
}

// Validate reports the first setting that Run cannot work with.
func (c Config) Validate() error {
	switch {
	case c.Out == "":
		return errors.New("no output folder given")
	case c.Count < 1:
		return fmt.Errorf("count is %d, expected at least 1", c.Count)
	}
	return c.validateMaking()
}

// validateMaking checks what Make needs; it leaves Out and Count aside.
func (c Config) validateMaking() error {
	switch {
	case c.Photos == "":
		return errors.New("no folder of photographs given")
	case c.SizeMin < 64 || c.SizeMax < c.SizeMin || c.SizeMax > 16384:
		return fmt.Errorf("size is %d,%d, expected 64 <= min <= max <= 16384", c.SizeMin, c.SizeMax)
	case c.JPEGMin < 1 || c.JPEGMax < c.JPEGMin || c.JPEGMax > 100:
		return fmt.Errorf("jpeg quality is %d,%d, expected 1 <= min <= max <= 100", c.JPEGMin, c.JPEGMax)
	case !(c.Pristine >= 0 && c.Pristine <= 1):
		return fmt.Errorf("pristine share is %v, expected 0 to 1", c.Pristine)
	case !(c.Treated >= 0 && c.Treated <= 1):
		return fmt.Errorf("treated share is %v, expected 0 to 1", c.Treated)
	case !(c.PasteBack >= 0 && c.PasteBack <= 1):
		return fmt.Errorf("share of latent pictures pasted back is %v, expected 0 to 1", c.PasteBack)
	case c.Workers < 0:
		return fmt.Errorf("workers is %d, expected 0 or more", c.Workers)
	case c.CacheBytes < 0:
		return fmt.Errorf("cache is %d bytes, expected 0 or more", c.CacheBytes)
	}
	if s := c.shares(); !(s[0] >= MinShare && s[1] <= MaxShare && s[1] >= 1.5*s[0]) { // masks hit a share within some tens of per cent
		return fmt.Errorf("manipulated share is %v,%v, expected %v <= min, max <= %v, and max at least 1.5 min", s[0], s[1], MinShare, MaxShare)
	}
	for i, name := range c.Methods {
		if registry[name] == nil {
			return fmt.Errorf("method %q is unknown, expected one of %v, or %s with an autoencoder", name, Methods(), MethodLatent)
		}
		if name == MethodLatent && c.Codec == nil {
			return fmt.Errorf("method %s needs an autoencoder, and none is given", name)
		}
		if slices.Contains(c.Methods[:i], name) {
			return fmt.Errorf("method %q is given twice", name)
		}
	}
	return nil
}

// Sample is one picture with its truth.
type Sample struct {
	Index   uint64
	Name    string // file name without extension
	Method  string // MethodPristine for an untouched picture
	Picture *picture.RGB
	Mask    *picture.Gray // size of Picture, 255 = manipulated
	Share   float64       // manipulated share of the pixels, [0,1]

	Sources   []string // photographs by path relative to the folder, host first
	Params    Params   // what the method drew
	Crop      Crop
	Treatment []Treatment // applied to the whole picture, in order
	Format    string      // "jpeg" or "png"
	Quality   int         // of the JPEG; 0 for PNG

	encoded []byte // the JPEG file; nil for PNG
}

// Params are a method's draws by name, for the manifest.
type Params map[string]any

// scene is what a method gets: a picture to manipulate and the means to do so.
type scene struct {
	dice
	host   *picture.RGB // not to be written to
	share  float64      // wanted share of the picture, within the configuration's limits
	params Params
	// donor returns a window of another photograph, at most w x h pixels,
	// of its own storage.
	donor     func(w, h int) (*picture.RGB, error)
	codec     Codec   // nil but for the method latent
	pasteBack float64 // see Config
}

// change is what a method gives back, both of the host's size.
type change struct {
	out  *picture.RGB
	mask *picture.Gray
	// before is what the picture would be without the manipulation; nil = the host.
	before *picture.RGB
}

// method manipulates the scene's picture; errUnsuitable asks for another draw.
type method func(*scene) (*change, error)

// registry holds the methods by name. A method's file registers it.
var registry = map[string]method{}

func register(name string, m method) {
	registry[name] = m
}

// Methods returns the names of the methods that need nothing but photographs,
// sorted: all but MethodLatent.
func Methods() []string {
	names := make([]string, 0, len(registry))
	for name := range registry {
		if name != MethodLatent {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
