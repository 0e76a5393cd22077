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

	Methods  []string // method names (see Methods); none = all of them
	Count    int      // pictures that Run makes
	Seed     uint64
	SizeMin  int     // longer side of a picture, pixels
	SizeMax  int     // a smaller photograph is taken whole
	JPEGMin  int     // quality of the final JPEG, 1..100
	JPEGMax  int     //
	Pristine float64 // share of untouched pictures with empty masks, [0,1]
	Treated  float64 // share of pictures treated as a whole afterwards (blur, noise, resampling, recompression), [0,1]

	Workers    int   // 0 = one for each core the process may use
	CacheBytes int64 // memory for decoded photographs; 0 = 512 MiB
	Limits     picture.Limits

	// Progress, if set, is called after each picture, never concurrently.
	Progress func(done, total int)
}

// DefaultConfig returns the configuration that the command starts from.
func DefaultConfig() Config {
	return Config{
		Methods: Methods(), Count: 1000, Seed: 1,
		SizeMin: 256, SizeMax: 1024, JPEGMin: 75, JPEGMax: 100, Treated: 0.6,
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
	case c.Workers < 0:
		return fmt.Errorf("workers is %d, expected 0 or more", c.Workers)
	case c.CacheBytes < 0:
		return fmt.Errorf("cache is %d bytes, expected 0 or more", c.CacheBytes)
	}
	for i, name := range c.Methods {
		if registry[name] == nil {
			return fmt.Errorf("method %q is unknown, expected one of %v", name, Methods())
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
	share  float64      // wanted share of the picture, [MinShare, MaxShare]
	params Params
	// donor returns a window of another photograph, at most w x h pixels,
	// of its own storage.
	donor func(w, h int) (*picture.RGB, error)
}

// change is what a method gives back, both of the host's size.
type change struct {
	out  *picture.RGB
	mask *picture.Gray
}

// method manipulates the scene's picture; errUnsuitable asks for another draw.
type method func(*scene) (*change, error)

// registry holds the methods by name. A method's file registers it.
var registry = map[string]method{}

func register(name string, m method) {
	registry[name] = m
}

// Methods returns the names of all methods, sorted.
func Methods() []string {
	names := make([]string, 0, len(registry))
	for name := range registry {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
