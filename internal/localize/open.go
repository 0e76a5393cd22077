package localize

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

// Errors that callers may want to distinguish with errors.Is. Each is wrapped in an error that
// names the file or model.
var (
	// ErrNoLibrary: ONNX Runtime's shared library was not found. The message lists the ways to get
	// it.
	ErrNoLibrary = engine.ErrNoLibrary
	// ErrNoModel: no built-in model, file or installed model has this name.
	ErrNoModel = models.ErrNotFound
	// ErrTooLarge: the picture has more pixels than the limit.
	ErrTooLarge = picture.ErrTooLarge
	// ErrFormat: the data are not a picture in a supported format.
	ErrFormat = picture.ErrFormat
	// ErrTruncated: the file ends before the picture does.
	ErrTruncated = picture.ErrTruncated
)

// DefaultThreshold is the probability above which a pixel counts as manipulated.
const DefaultThreshold = 0.5

// DefaultMaxPixels is the largest picture that is read by default, in pixels.
const DefaultMaxPixels = picture.DefaultMaxPixels

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
	// LowMemory leaves weights mapped from their files and shared between processes, instead of
	// packing them for the processor. The model opens at once and runs a few percent slower.
	LowMemory bool

	// Arch, Layer and Decoder, such as "ViT-L/14", "layer20" and "conv-20",
	// override what a model's file says, or fill in what it does not say.
	Arch, Layer, Decoder string
	// Input is the side in pixels of the square that pictures are scaled to, for PSCC-Net, which
	// otherwise sees their own size, and for networks on DINOv2 or DINOv3, which take any multiple of
	// their patches; 0: the network's own. Other networks refuse it.
	Input int
	// Statistics name what the pictures of DINOv3 are normalised by, "imagenet" or "satellite"; empty:
	// what the backbone's file says.
	Statistics string
	// Tiling runs networks that otherwise see pictures scaled to their input over the pictures' own
	// pixels.
	Tiling Tiling
	// Thorough shows each tile to a network that runs over tiles, such as "lite", in four turns and
	// takes the mean of the logits: a better map for four times the network's time. Other networks
	// refuse it.
	Thorough bool
	// Backbones are files with CLIP's weights, for models that come without them. Without these
	// files, the models directory is searched.
	Backbones []string
	// Each asks for Result.Each.
	Each bool
	// Program is the version of declip, for Result.Provenance; empty: not known.
	Program string
	// Notice, if set, is called with what was reinterpreted in a model's file.
	Notice func(text string)
}

// Model is an opened model, or several that answer together. It is safe for
// concurrent use.
type Model struct {
	names     []string
	threshold float64
	files     []*weights.File
	group     *Group
	info      Info
	each      bool
	byMean    []bool // a picture's score by a model is its mean probability
	tiling    Tiling
	thorough  bool
	tiles     *Group // runs the models over tiles; nil without tiling, group if the sizes are the same
	program   string // version of declip
	engine    string // name and version
	weights   func() ([]WeightsFile, error)
	stop      func() // makes weights return early

	use    sync.RWMutex // held for reading by calls, for writing by Close
	closed bool
}

// ErrClosed is the error of a call of a model that was closed.
var ErrClosed = errors.New("the model is closed")

// Open opens a model by the name of a built-in one ("lite"), by the path of a
// file, or by its name in the models directory ($DECLIP_MODELS, else declip/models
// in the user's cache directory). Files are checkpoints of this program, or
// DeCLIP's published files. The caller closes the model.
func Open(name string, o Options) (*Model, error) {
	return OpenSeveral([]string{name}, o)
}

// OpenSeveral opens models that answer together: their result is the mean of
// their probabilities. Models with the same backbone share one pass of it.
// Options.Arch, Layer and Decoder apply to all of them.
func OpenSeveral(names []string, o Options) (*Model, error) {
	if o.Threshold == 0 {
		o.Threshold = DefaultThreshold
	}
	if err := checkThreshold(o.Threshold); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("no model is given")
	}
	tiling, err := o.Tiling.complete()
	if err != nil {
		return nil, err
	}
	m := &Model{names: names, threshold: o.Threshold, each: o.Each, tiling: tiling, program: o.Program, thorough: o.Thorough}
	if err := m.open(o); err != nil {
		return nil, errors.Join(err, m.closeGroups(), m.closeFiles())
	}
	return m, nil
}

func checkThreshold(threshold float64) error {
	if !(threshold > 0 && threshold < 1) {
		return fmt.Errorf("threshold %g: expected a probability between 0 and 1, both excluded", threshold)
	}
	return nil
}

// open opens the files, recognises the networks in them and loads these.
func (m *Model) open(o Options) error {
	networks, beside, err := m.findNetworks(o)
	if err != nil {
		return err
	}
	for _, n := range networks {
		m.byMean = append(m.byMean, n.Spec().Mode == network.ModeResize && m.tiling.Size == 0)
	}
	m.notice(networks, o.Notice)
	m.weights, m.stop = identify(m.files)
	e, err := engine.Open(engine.Options{Library: o.Library, Device: o.Device, Threads: o.Threads})
	if err != nil {
		return err
	}
	if err := m.load(e, networks, o, beside); err != nil {
		return err
	}
	m.engine = e.Info().Name()
	m.info = describe(e.Info().Device, m.Specs())
	if m.tiles != nil {
		m.info.SizeMode = SizeTiles
	}
	return nil
}

// findNetworks opens the files and recognises the networks in them. others are the files of
// backbones and of other parts.
func (m *Model) findNetworks(o Options) (networks []*network.Pretrained, others []*weights.File, err error) {
	alone, parts, err := models.Joined(m.names)
	if err != nil {
		return nil, nil, err
	}
	m.names = alone
	for _, name := range slices.Concat(o.Backbones, parts) {
		f, err := m.openFile(name)
		if err != nil {
			return nil, nil, err
		}
		others = append(others, f)
	}
	networks, err = m.openNetworks(o, o.Input, others)
	return networks, others, err
}

// openNetworks opens the models' networks for an input of the given side, 0 for their own.
func (m *Model) openNetworks(o Options, side int, beside []*weights.File) (list []*network.Pretrained, err error) {
	for _, name := range m.names {
		n, opened, err := models.OpenNetwork(name, network.Override{Arch: o.Arch, Layer: o.Layer, Decoder: o.Decoder, Input: side, Statistics: o.Statistics}, beside)
		m.files = append(m.files, opened...)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// load loads the networks, for the whole picture and for tiles as far as the tiling needs them.
func (m *Model) load(e *engine.Engine, networks []*network.Pretrained, o Options, beside []*weights.File) (err error) {
	options := LoadOptions{LowMemory: o.LowMemory, Thorough: o.Thorough}
	if o.Thorough {
		if err := checkThorough(networks); err != nil {
			return err
		}
	}
	if m.tiling.Size == 0 {
		m.group, err = NewGroup(e, networks, options)
		return err
	}
	other, err := m.tiling.check(networks)
	if err != nil {
		return err
	}
	tiled := networks
	if other {
		if tiled, err = m.openNetworks(o, m.tiling.Size, beside); err != nil {
			return err
		}
	}
	if m.tiles, err = NewGroup(e, tiled, options); err != nil || m.tiling.Context == ContextNone {
		return err
	}
	if m.group = m.tiles; other {
		m.group, err = NewGroup(e, networks, options)
	}
	return err
}

// Specs describes the models in their order.
func (m *Model) Specs() []network.Spec {
	if m.tiles != nil {
		return m.tiles.Specs()
	}
	return m.group.Specs()
}

// notice names the prefixes that were removed from the names of tensors, the copies of networks
// that are not used, and what was assumed about backbones.
func (m *Model) notice(networks []*network.Pretrained, notice func(text string)) {
	if notice == nil {
		return
	}
	for _, n := range networks {
		for _, doubt := range n.Doubts() {
			notice(doubt)
		}
	}
	for _, f := range m.files {
		for _, prefix := range f.Removed() {
			notice(fmt.Sprintf("%s: the prefix %v is left out of all tensors' names", f.Path(), prefix))
		}
		for _, choice := range f.Choices() {
			notice(fmt.Sprintf("%s: %v", f.Path(), choice))
		}
	}
}

// openFile opens a weights file that lives as long as the model.
func (m *Model) openFile(name string) (*weights.File, error) {
	f, err := models.Open(name)
	if err == nil {
		m.files = append(m.files, f)
	}
	return f, err
}

// Name is what the model was opened as; several names are joined by " + ".
func (m *Model) Name() string { return strings.Join(m.names, " + ") }

// Threshold is the probability above which a pixel counts as manipulated.
func (m *Model) Threshold() float64 { return m.threshold }

// Close frees the model. It waits for calls in progress; later ones return ErrClosed. Only the
// first call of Close does something.
func (m *Model) Close() error {
	m.use.Lock()
	defer m.use.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	return errors.Join(m.closeGroups(), m.closeFiles())
}

func (m *Model) closeGroups() error {
	var errs []error
	if m.group != nil {
		errs = append(errs, m.group.Close())
	}
	if m.tiles != nil && m.tiles != m.group {
		errs = append(errs, m.tiles.Close())
	}
	return errors.Join(errs...)
}

func (m *Model) closeFiles() error {
	if m.stop != nil {
		m.stop()
		_, _ = m.weights() // its files are closed next
	}
	var errs []error
	for _, f := range m.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
