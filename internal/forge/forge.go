package forge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// MethodPristine is the method name given to untouched pictures.
const MethodPristine = "pristine"

// The share of a picture that a mask covers is in [MinShare, MaxShare] by default, and never
// outside of [SmallestShare, MaxShare].
const (
	SmallestShare = 0.001
	MinShare      = 0.005
	MaxShare      = 0.40
)

// ErrNoPhotos is wrapped by the error about a directory without photographs.
var ErrNoPhotos = errors.New("no photographs found")

// errUnsuitable means that one draw did not give a usable forgery and another should be tried.
var errUnsuitable = errors.New("unsuitable draw")

// Config says what is made and from what.
type Config struct {
	Photos string // directory of photographs; its subdirectories are searched, too
	Out    string // output directory; only Run needs it

	Methods  []string // at least one of Methods or, with a Codec, MethodLatent
	Count    int      // pictures that Run makes
	Seed     uint64
	SizeMin  int     // longer side of a picture, pixels
	SizeMax  int     // a smaller photograph is taken whole
	JPEGMin  int     // quality of the final JPEG, 1..100
	JPEGMax  int     //
	Pristine float64 // share of untouched pictures with empty masks, [0,1]
	Treated  float64 // share of pictures to which Treatments are applied, [0,1]
	ShareMin float64 // smallest share of a picture that is manipulated, at least SmallestShare
	ShareMax float64 // largest, at most MaxShare

	// Histories gives hosts, donors and finished pictures the compression that pictures meet: the
	// quantisation tables of cameras, editors and platforms, and resizing by platforms.
	Histories bool

	// Formats are the file formats of finished pictures, some of Formats(). With Histories and WebP
	// or AVIF among them, hosts and donors may have been such files, and pictures go through
	// services that give out WebP.
	Formats []string

	// Codec is the autoencoder for the method latent; the others need none.
	Codec Codec
	// PasteBack is the share of latent pictures in which only the masked area comes from the
	// decoder and the rest is the photograph's own pixels, [0,1].
	PasteBack float64

	Workers    int   // pictures made at a time; 0 means one for each core that the process may use
	CacheBytes int64 // memory for decoded photographs
	Limits     picture.Limits

	// Progress, if set, is called after each picture, never concurrently.
	Progress func(done, total int)
}

// shares are the limits of the manipulated share.
func (c Config) shares() [2]float64 { return [2]float64{c.ShareMin, c.ShareMax} }

// DefaultConfig returns the configuration that the command starts from.
func DefaultConfig() Config {
	return Config{
		Methods: Methods(), Count: 1000, Seed: 1,
		SizeMin: 256, SizeMax: 1024, JPEGMin: 75, JPEGMax: 100, Treated: 0.6,
		ShareMin: MinShare, ShareMax: MaxShare, Formats: usualFormats(),
		CacheBytes: 512 << 20,
	}
}

// Validate reports the first setting that Run cannot work with.
func (c Config) Validate() error {
	switch {
	case c.Out == "":
		return errors.New("no output directory given")
	case c.Count < 1:
		return fmt.Errorf("count is %d, expected at least 1", c.Count)
	}
	return c.validateMaking()
}

// validateMaking checks the settings that Make needs, which are all but Out and Count.
func (c Config) validateMaking() error {
	switch {
	case c.Photos == "":
		return errors.New("no directory of photographs given")
	case c.SizeMin < 64 || c.SizeMax < c.SizeMin || c.SizeMax > 16384:
		return fmt.Errorf("size is %d,%d, expected 64 <= min <= max <= 16384", c.SizeMin, c.SizeMax)
	case c.JPEGMin < 1 || c.JPEGMax < c.JPEGMin || c.JPEGMax > 100:
		return fmt.Errorf("jpeg quality is %d,%d, expected 1 <= min <= max <= 100", c.JPEGMin, c.JPEGMax)
	case !(c.Pristine >= 0 && c.Pristine <= 1):
		return fmt.Errorf("pristine share is %v, expected 0 to 1", c.Pristine)
	case !(c.Treated >= 0 && c.Treated <= 1):
		return fmt.Errorf("treated share is %v, expected 0 to 1", c.Treated)
	case !(c.PasteBack >= 0 && c.PasteBack <= 1):
		return fmt.Errorf("paste-back share is %v, expected 0 to 1", c.PasteBack)
	case c.Workers < 0:
		return fmt.Errorf("workers is %d, expected 0 or more", c.Workers)
	case c.CacheBytes < 0:
		return fmt.Errorf("cache is %d bytes, expected 0 or more", c.CacheBytes)
	}
	// A mask's share is within some tens of percent of the drawn one.
	if s := c.shares(); !(s[0] >= SmallestShare && s[1] <= MaxShare && s[1] >= 1.5*s[0]) {
		return fmt.Errorf("manipulated share is %v,%v, expected %v <= min, max <= %v, and max at least 1.5 min", s[0], s[1], SmallestShare, MaxShare)
	}
	if err := c.validateMethods(); err != nil {
		return err
	}
	return c.validateFormats()
}

func (c Config) validateMethods() error {
	if len(c.Methods) == 0 {
		return fmt.Errorf("no method given, expected some of %v, or %s with an autoencoder", Methods(), MethodLatent)
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

	Sources   []string // photographs by path relative to Config.Photos, host first
	Params    Params   // what the method drew
	Crop      Crop
	Treatment []Treatment // applied to the whole picture, in order
	Format    string      // one of Formats
	Quality   int         // 0 for PNG and lossless WebP, and for a JPEG with the tables of its History
	Lossless  bool        // of WebP
	// History is the compression of the host before the manipulation and of the whole picture after
	// it, with Config.Histories.
	History History

	encoded []byte // the file; nil for PNG
}

// Params are a method's draws by name, for the manifest.
type Params map[string]any

// scene is the input of a method: a picture to manipulate, and the random draws and donors for it.
type scene struct {
	dice
	host   *picture.RGB // not to be written to
	share  float64      // of the picture, to manipulate; within the configuration's limits
	least  float64      // smallest share of a mask; 0 means MinShare
	params Params
	// donor returns a window of another photograph, at most w x h pixels, which may be written to.
	donor     func(w, h int) (*picture.RGB, error)
	codec     Codec   // nil except for the method latent
	pasteBack float64 // see Config
}

// leastShare is the smallest share of a mask.
func (s *scene) leastShare() float64 {
	if s.least == 0 {
		return MinShare
	}
	return s.least
}

// change is the result of a method. Both pictures have the host's size.
type change struct {
	out  *picture.RGB
	mask *picture.Gray
	// before is the picture without the manipulation; nil means the host.
	before *picture.RGB
}

// method manipulates the scene's picture; errUnsuitable asks for another draw.
type method func(context.Context, *scene) (*change, error)

// registry holds the methods by name. A method's file registers it.
var registry = map[string]method{}

// register adds a method.
func register(name string, m method) {
	registry[name] = m
}

// Methods returns the names of the methods that need photographs only, sorted: all but
// MethodLatent.
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
