package declip

import (
	"context"
	"fmt"
	"image"
	"io"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// Errors that callers may want to distinguish with errors.Is. Each is wrapped in
// an error that names the file or model and says more.
var (
	// ErrNoLibrary: ONNX Runtime's shared library was not found. The message
	// says how to get it.
	ErrNoLibrary = localize.ErrNoLibrary
	// ErrNoModel: no built-in model, file or installed model has this name.
	ErrNoModel = localize.ErrNoModel
	// ErrTooLarge: the picture has more pixels than the limit.
	ErrTooLarge = localize.ErrTooLarge
	// ErrFormat: the data are not a picture in a format that declip reads.
	ErrFormat = localize.ErrFormat
	// ErrTruncated: the file ends before the picture does.
	ErrTruncated = localize.ErrTruncated
	// ErrClosed: the model was closed.
	ErrClosed = localize.ErrClosed
	// ErrTiling: Options.Tiling makes no sense, or not for the model.
	ErrTiling = localize.ErrTiling
	// ErrThorough: the model has no thorough mode.
	ErrThorough = localize.ErrThorough
)

// Tiling runs networks that see a picture scaled to their input over squares of the picture's own
// pixels instead.
type Tiling = localize.Tiling

// DefaultThreshold is the probability above which a pixel counts as manipulated.
const DefaultThreshold = localize.DefaultThreshold

// DefaultMaxPixels is the largest picture that is read by default, in pixels.
const DefaultMaxPixels = localize.DefaultMaxPixels

// Options of Open. The zero value is the usual choice.
type Options struct {
	// Library is the path of ONNX Runtime's shared library; empty: search for it.
	Library string
	// Device runs the network: "auto" (or empty), "cpu", "cuda:0", ...
	Device string
	// Threads for the network; 0: as many as the process may use cores.
	Threads int
	// Threshold in (0,1) above which a pixel counts as manipulated; 0 means
	// DefaultThreshold.
	Threshold float64
	// MaxPixels (width times height) above which LocalizeFile and LocalizeReader
	// refuse a picture by its header, before they decode it; 0 means DefaultMaxPixels.
	MaxPixels int64
	// LowMemory leaves weights mapped from their files and shared between
	// processes, instead of packing them for the processor. The model opens at
	// once and runs a few percent slower.
	LowMemory bool

	// Arch, Layer and Decoder, such as "ViT-L/14", "layer20" and "conv-20",
	// override what a model's file says, or fill in what it does not say.
	Arch, Layer, Decoder string
	// Input is the side in pixels of the square that PSCC-Net gets pictures scaled
	// to; 0: their own size. Other networks refuse it.
	Input int
	// Statistics name what the pictures of DINOv3 are normalised by, "imagenet" or
	// "satellite"; empty: what the backbone's file says.
	Statistics string
	// Tiling runs networks that otherwise see pictures scaled to their input over
	// the pictures' own pixels.
	Tiling Tiling
	// Thorough shows each tile to a network that runs over tiles, such as "lite",
	// in four orientations and takes the mean: a better map for two to three
	// times the time. Other networks refuse it.
	Thorough bool
	// Backbones are files with CLIP's weights, for models that come without
	// them. Without these files, the models directory is searched.
	Backbones []string
	// Each asks for Result.Each.
	Each bool
}

// Model is an opened model, or several that answer together. It is safe for
// concurrent use.
type Model struct {
	model  *localize.Model
	limits picture.Limits
}

// Open opens a model by the name of a built-in one ("lite"), by the path of a
// file, or by its name in the models directory ($DECLIP_MODELS, else declip/models
// in the user's cache directory). Files are checkpoints of this program, or DeCLIP's
// published files as they are. The caller closes the model.
func Open(name string, o Options) (*Model, error) {
	return OpenSeveral([]string{name}, o)
}

// OpenSeveral opens models that answer together: their result is the mean of
// their probabilities. Models with the same backbone share one pass of it.
// Options.Arch, Layer and Decoder apply to all of them.
func OpenSeveral(names []string, o Options) (*Model, error) {
	m, err := localize.OpenSeveral(names, localize.Options{
		Library: o.Library, Device: o.Device, Threads: o.Threads, Threshold: o.Threshold, LowMemory: o.LowMemory,
		Arch: o.Arch, Layer: o.Layer, Decoder: o.Decoder, Input: o.Input, Statistics: o.Statistics, Backbones: o.Backbones, Each: o.Each, Program: moduleVersion(),
		Tiling: o.Tiling, Thorough: o.Thorough,
	})
	if err != nil {
		return nil, err
	}
	return &Model{m, picture.Limits{MaxPixels: o.MaxPixels, Coefficients: m.ReadsCoefficients()}}, nil
}

// Name is what the model was opened as; several names are joined by " + ".
func (m *Model) Name() string { return m.model.Name() }

// Info describes the model. The first call waits for the digests of the weights: half a second for
// half a gigabyte.
func (m *Model) Info() (info Info) {
	i := m.model.Info()
	info = Info{Network: i.Network, SizeMode: i.SizeMode, Device: i.Device, Threshold: m.model.Threshold(), MaxPixels: m.limits.MaxPixels}
	if info.MaxPixels == 0 {
		info.MaxPixels = DefaultMaxPixels
	}
	if made, err := m.model.Provenance(); err == nil { // an error would be that of a panic
		info.Provenance = newProvenance(made)
	}
	return info
}

// Close frees the model. It waits for calls in progress; later ones return ErrClosed.
func (m *Model) Close() error { return m.model.Close() }

// Localize gives the probability of manipulation for every pixel of img, on img's
// own grid. A [*Picture] is the best kind of img, see [Decode]. Alpha is ignored,
// not composited.
func (m *Model) Localize(ctx context.Context, img image.Image) (*Result, error) {
	results, err := m.LocalizeBatch(ctx, []image.Image{img})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// LocalizeBatch is Localize for several pictures at once. Models that see a
// picture scaled to their input take them through the network together, which
// is a little faster for each and needs memory for all.
func (m *Model) LocalizeBatch(ctx context.Context, imgs []image.Image) ([]*Result, error) {
	pictures := make([]*picture.Picture, len(imgs))
	for i, img := range imgs {
		var err error
		if pictures[i], err = toPicture(ctx, img); err != nil {
			return nil, err
		}
	}
	results, err := m.model.LocalizeBatch(ctx, pictures)
	if err != nil {
		return nil, err
	}
	return newResults(results), nil
}

// LocalizeFile reads a picture file as [DecodeFile] does and localizes it on its
// stored pixel grid. The result reports an EXIF orientation; it is not applied.
func (m *Model) LocalizeFile(ctx context.Context, path string) (*Result, error) {
	p, err := picture.OpenContext(ctx, path, m.limits)
	if err != nil {
		return nil, err
	}
	r, err := m.model.Localize(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	result := newResult(r)
	result.image = path
	return result, nil
}

// LocalizeReader is LocalizeFile for the bytes of a picture file.
func (m *Model) LocalizeReader(ctx context.Context, r io.Reader) (*Result, error) {
	p, err := decode(ctx, r, m.limits)
	if err != nil {
		return nil, err
	}
	result, err := m.model.Localize(ctx, p)
	if err != nil {
		return nil, err
	}
	return newResult(result), nil
}
