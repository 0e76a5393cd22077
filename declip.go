// Package declip shows where a picture was manipulated: it opens a localization
// model and gives, for every pixel, the probability that it was changed.
//
//	model, err := declip.Open("lite", declip.Options{})
//	if err != nil {
//		return err
//	}
//	defer model.Close()
//	result, err := model.LocalizeFile(ctx, "photo.jpg")
//	if err != nil {
//		return err
//	}
//	fmt.Printf("%.1f %% of the pixels look manipulated\n", 100*result.ManipulatedFraction)
//
// The model "lite" is built into the program; others are files. Networks are run
// by ONNX Runtime, whose shared library must be on the machine: the error
// ErrNoLibrary says how to get it.
//
// A map of probabilities is a hint where to look, not a proof: models miss
// manipulations unlike those they were trained on, and they can be wrong about
// untouched pictures.
//
// Names of this package stay as they are within a major version.
package declip

import (
	"context"
	"fmt"
	"image"
	"io"

	"github.com/declip/declip/internal/engine"
	"github.com/declip/declip/internal/network"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/runner"
	"github.com/declip/declip/internal/zoo"
)

// Errors that callers may want to tell apart, with errors.Is. Each is wrapped
// in one that names the file or model and says more.
var (
	// ErrNoLibrary: ONNX Runtime's shared library was not found. The message
	// says the three ways to get it.
	ErrNoLibrary = engine.ErrNoLibrary
	// ErrNoModel: no built-in model, file or installed model has this name.
	ErrNoModel = zoo.ErrNotFound
	// ErrTooLarge: the picture has more pixels than Options.MaxPixels.
	ErrTooLarge = picture.ErrTooLarge
	// ErrFormat: the data are no picture in a format that is read.
	ErrFormat = picture.ErrFormat
	// ErrTruncated: the file ends before the picture does.
	ErrTruncated = picture.ErrTruncated
)

// DefaultThreshold is the probability above which a pixel counts as manipulated.
const DefaultThreshold = 0.5

// DefaultMaxPixels is the largest picture that is read by default, in pixels.
const DefaultMaxPixels = picture.DefaultMaxPixels

// Options of Open. The zero value is the usual way.
type Options struct {
	// Library is the path of ONNX Runtime's shared library; empty: search.
	Library string
	// Device runs the network: "auto" (or empty), "cpu", "cuda:0", ...
	Device string
	// Threads for the network; 0: as many as the process may use cores.
	Threads int
	// Threshold in (0,1) above which a pixel counts as manipulated; 0 means
	// DefaultThreshold.
	Threshold float64
	// MaxPixels (width times height) above which a file is refused by its
	// header, before it is decoded; 0 means DefaultMaxPixels.
	MaxPixels int64
}

// Model is an opened model. It is safe for concurrent use.
type Model struct {
	name      string
	threshold float64
	limits    picture.Limits
	runner    *runner.Runner
	byMean    bool // a picture's score is its mean probability
}

// Open opens a model by the name of a built-in one ("lite"), by the path of a
// file, or by its name in the models folder ($DECLIP_MODELS, else declip/models
// in the user's cache folder). The caller closes it.
func Open(name string, o Options) (*Model, error) {
	if o.Threshold == 0 {
		o.Threshold = DefaultThreshold
	}
	if !(o.Threshold > 0 && o.Threshold < 1) {
		return nil, fmt.Errorf("threshold %g: expected a probability between 0 and 1, both excluded", o.Threshold)
	}
	net, err := openNetwork(name)
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(engine.Options{Library: o.Library, Device: o.Device, Threads: o.Threads})
	if err != nil {
		return nil, err
	}
	return &Model{
		name:      name,
		threshold: o.Threshold,
		limits:    picture.Limits{MaxPixels: o.MaxPixels},
		runner:    runner.New(e, net),
		byMean:    net.Spec().Mode == network.ModeResize,
	}, nil
}

func openNetwork(name string) (*network.Network, error) {
	file, err := zoo.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	net, err := network.Open(file)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	return net, nil
}

// Name is what the model was opened as.
func (m *Model) Name() string { return m.name }

// Close frees the model. It must not be in use any more.
func (m *Model) Close() error {
	return m.runner.Close()
}

// Localize gives the probability of manipulation for every pixel of img, on
// img's own grid. Alpha is ignored, not composited. For a JPEG, LocalizeFile and
// LocalizeReader are better: they decode chroma the way the models were trained
// with, where package image/jpeg takes a short cut.
func (m *Model) Localize(ctx context.Context, img image.Image) (*Result, error) {
	rgb := picture.FromImage(img)
	if rgb.Width == 0 || rgb.Height == 0 {
		return nil, fmt.Errorf("picture of %d x %d pixels: it is empty", rgb.Width, rgb.Height)
	}
	return m.localize(ctx, rgb)
}

// LocalizeFile reads a picture file (JPEG, PNG, WebP, TIFF, BMP, first frame of
// a GIF) and localizes it on its stored pixel grid: an EXIF orientation is
// reported in the result, not applied.
func (m *Model) LocalizeFile(ctx context.Context, path string) (*Result, error) {
	d, err := picture.Open(path, m.limits)
	if err != nil {
		return nil, err
	}
	r, err := m.localizeDecoded(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// LocalizeReader is LocalizeFile for the bytes of a picture file.
func (m *Model) LocalizeReader(ctx context.Context, r io.Reader) (*Result, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the picture: %w", err)
	}
	d, err := picture.Decode(data, m.limits)
	if err != nil {
		return nil, err
	}
	return m.localizeDecoded(ctx, d)
}

func (m *Model) localizeDecoded(ctx context.Context, d *picture.Decoded) (*Result, error) {
	r, err := m.localize(ctx, d.RGB)
	if err != nil {
		return nil, err
	}
	r.Format, r.Orientation = d.Format, d.Orientation
	return r, nil
}

func (m *Model) localize(ctx context.Context, rgb *picture.RGB) (*Result, error) {
	out, err := m.runner.Run(ctx, rgb)
	if err != nil {
		return nil, err
	}
	r := &Result{Width: rgb.Width, Height: rgb.Height, Model: m.name, Threshold: m.threshold, Orientation: 1, Prob: out.Prob, Raw: Map(out.Raw)}
	r.measure(m.byMean)
	return r, nil
}
