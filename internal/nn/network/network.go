package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/weights"
)

// SpecKey is the metadata key of a safetensors file's Spec as JSON.
const SpecKey = "declip.spec"

// ErrSpec is wrapped by errors about a Spec that describes no network of this program.
var ErrSpec = errors.New("unknown network")

// Mean and Std normalise a picture's channels (R, G, B in [0,1]) for every backbone; they are
// CLIP's.
var (
	Mean = [3]float32{0.48145466, 0.4578275, 0.40821073}
	Std  = [3]float32{0.26862954, 0.26130258, 0.27577711}
)

// How a network runs over a picture.
const (
	// ModeResize resizes the whole picture to Spec.Input x Spec.Input pixels, as the paper does.
	ModeResize = "resize"
	// ModeTiles runs the network over the picture's own pixels in overlapping tiles.
	ModeTiles = "tiles"
	// ModeWhole runs the network over the picture's own pixels at once.
	ModeWhole = "whole"
)

// Spec describes a network. Its JSON form is stored in checkpoints.
type Spec struct {
	// Arch is the backbone: "xceptionnet" (the published baseline), "xceptionnet-lite", one of
	// CLIP's such as "ViT-L/14" or "RN50", of DINO's such as "dinov3-vits16", or a transformer and
	// a residual network as "ViT-L/14,RN50"; or another author's network, such as "cat-net".
	Arch string `json:"arch"`
	// Layer is the backbone's layer whose features the decoder reads, such as "layer20", or several
	// separated by commas, whose features are joined; for two backbones it is the transformer's.
	Layer string `json:"layer,omitempty"`
	// Decoder is "linear", "attention", "conv3", "conv-K" with K a multiple of 4, or, for
	// xceptionnet-lite, "context" or "pyramid".
	Decoder string `json:"decoder"`
	// Mode is ModeResize, ModeTiles or ModeWhole.
	Mode string `json:"mode"`
	ResizeOptions
	TileOptions
	// Widths are the channels of a conv decoder's four stages, of conv1, conv2, block1 and block2
	// of xceptionnet-lite, or of the branches of cat-net, cat-net-dct and pscc-net, whose other
	// channels then change in proportion.
	Widths []int `json:"widths,omitempty"`
	// Sizes are those of cat-net, cat-net-dct and pscc-net; nil for the published ones.
	Sizes *Sizes `json:"sizes,omitempty"`
	LiteOptions
	// LoRA describes the adapters of the backbone; nil without any.
	LoRA *LoRA `json:"lora,omitempty"`
	// Detectors name the detectors without a network whose findings are added to xceptionnet-lite's
	// map (package forensics).
	Detectors []string `json:"detectors,omitempty"`
	// Blobs drops small and low-confidence regions of xceptionnet-lite's map.
	Blobs bool `json:"blobs,omitempty"`
	// Judge gives the probability that the whole picture was manipulated; nil for networks without.
	Judge *Judge `json:"judge,omitempty"`
}

// ResizeOptions say how a network sees a picture in ModeResize: the sides in pixels of its square
// input and map, and what the input is normalised by.
type ResizeOptions struct {
	Input  int `json:"input,omitempty"`
	Output int `json:"output,omitempty"` // of the map of logits
	// Statistics name what DINOv3's pictures are normalised by, one of StatisticsNames; empty where
	// the backbone's file decides.
	Statistics string `json:"statistics,omitempty"`
}

// TileOptions say how a network runs over a picture in ModeTiles.
type TileOptions struct {
	Stride  int `json:"stride,omitempty"`  // picture pixels per logit
	Tile    int `json:"tile,omitempty"`    // side of a tile in pixels
	Overlap int `json:"overlap,omitempty"` // pixels that neighbouring tiles share
}

// LiteOptions are those of xceptionnet-lite.
type LiteOptions struct {
	// Context is the number of channels of the context decoder.
	Context int `json:"context,omitempty"`
	// Pyramid is the number of channels of the pyramid decoder at stride 8. The context decoder
	// counts as its backbone.
	Pyramid int `json:"pyramid,omitempty"`
	// Dilations are those of the context decoder's residual blocks, in order.
	Dilations []int `json:"dilations,omitempty"`
	// Pool says how blocks halve a map: "max", as in Xception, or "mean", which keeps the strength
	// of noise-like traces.
	Pool string `json:"pool,omitempty"`
	// DCT is the number of channels of the branch over JPEG's blocks; 0 leaves it out.
	DCT int `json:"dct,omitempty"`
	// Evidence is the number of channels of the branch over the evidence of JPEG compression that is
	// measured in the whole picture (package evidence); 0 leaves it out.
	Evidence int `json:"evidence,omitempty"`
	// Frozen keeps the backbone's weights and the statistics of its batch norms in training. For
	// xceptionnet it makes a decoder on the backbone's features.
	Frozen bool `json:"frozen,omitempty"`
	// FrozenTrunk keeps only what the context decoder reads: Xception's blocks and the branch over
	// JPEG's blocks.
	FrozenTrunk bool `json:"frozen_trunk,omitempty"`
	// Residual adds fixed high-pass channels to the input.
	Residual bool `json:"residual,omitempty"`
}

// String names the network, as in "ViT-L/14 layer20 conv-20".
func (s Spec) String() string {
	if s.Decoder == "" {
		return s.Arch
	}
	if s.Layer == "" {
		return s.Arch + " " + s.Decoder
	}
	return s.Arch + " " + s.Layer + " " + s.Decoder
}

// Param is one tensor of a network.
type Param struct {
	Name      string
	Shape     []int
	Data      []float32
	Trainable bool // false for batch norm's running statistics and for a frozen backbone
	Backbone  bool // part of the backbone, not of the decoder
}

// Network is a network in one piece with its weights. The values of its parameters may be read and
// replaced, not resized.
type Network struct {
	spec   Spec
	params []Param
	index  map[string]int
}

// New makes a network with initial weights drawn from seed; the same seed gives the same weights.
func New(spec Spec, seed uint64) (*Network, error) {
	spec, err := spec.complete()
	if err != nil {
		return nil, err
	}
	declared, err := declare(spec)
	if err != nil {
		return nil, err
	}
	n := &Network{spec: spec, index: map[string]int{}}
	for _, d := range declared {
		n.index[d.name] = len(n.params)
		n.params = append(n.params, d.initial(seed))
	}
	return n, nil
}

// Open reads a network from a safetensors file that declip wrote. Every tensor that the Spec needs
// must be there in the right shape; the error names the first that is not. Other tensors are
// ignored.
func Open(f *weights.File) (*Network, error) {
	text, ok := f.Metadata()[SpecKey]
	if !ok {
		return nil, fmt.Errorf("no %q in the file's metadata: only checkpoints that declip wrote can be trained further or calibrated", SpecKey)
	}
	var spec Spec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", SpecKey, err)
	}
	n, err := New(spec, 0)
	if err != nil {
		return nil, err
	}
	prefix, err := f.StateDict()
	if err != nil {
		return nil, err
	}
	for i := range n.params {
		p := &n.params[i]
		t, ok := f.Tensor(prefix + p.Name)
		if !ok {
			return nil, fmt.Errorf("tensor %q is missing", prefix+p.Name)
		}
		if !equalShape(t.Shape, p.Shape) {
			return nil, fmt.Errorf("tensor %q has shape %v, expected %v", t.Name, t.Shape, p.Shape)
		}
		if p.Data, err = f.Float32s(t.Name); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// TakeBackbone copies the backbone's weights from another network, which must have all of them in
// the same shapes; the error names the first that it lacks.
func (n *Network) TakeBackbone(from *Network) error {
	for i := range n.params {
		p := &n.params[i]
		if !p.Backbone {
			continue
		}
		j, ok := from.index[p.Name]
		if !ok {
			return fmt.Errorf("backbone tensor %q is missing", p.Name)
		}
		if !equalShape(from.params[j].Shape, p.Shape) {
			return fmt.Errorf("backbone tensor %q has shape %v, expected %v", p.Name, from.params[j].Shape, p.Shape)
		}
		copy(p.Data, from.params[j].Data)
	}
	return nil
}

// Thawed returns the network with a trainable backbone. It shares n's data.
func (n *Network) Thawed() (*Network, error) { return n.thawed(false) }

// ThawedContext returns the network with a trainable context decoder on a frozen trunk. A network
// without a context decoder is an error. It shares n's data.
func (n *Network) ThawedContext() (*Network, error) {
	if n.spec.Arch != ArchLite {
		return nil, fmt.Errorf("%v has no context decoder to train", n.spec)
	}
	return n.thawed(true)
}

func (n *Network) thawed(frozenTrunk bool) (*Network, error) {
	spec := n.spec
	spec.Frozen, spec.FrozenTrunk = false, frozenTrunk
	m, err := New(spec, 0)
	if err != nil {
		return nil, err
	}
	for i := range m.params {
		m.params[i].Data = n.params[n.index[m.params[i].Name]].Data
	}
	return m, nil
}

// AddDetectors adds the findings of these detectors to the network's map. A network that does not
// run in tiles is an error. The caller checks that there are detectors of these names.
func (n *Network) AddDetectors(names ...string) error {
	if len(names) == 0 {
		return nil
	}
	if err := n.tiled("detectors look at the picture's own pixels"); err != nil {
		return err
	}
	n.spec.Detectors = sortedNames(slices.Concat(n.spec.Detectors, names))
	return nil
}

// SetDetectors replaces the detectors whose findings the map includes; none removes them. A network
// that does not run in tiles has none: others are an error.
func (n *Network) SetDetectors(names ...string) error {
	n.spec.Detectors = nil
	return n.AddDetectors(names...)
}

// WeighBlobs says whether small and low-confidence regions of the network's map are dropped. A
// network that does not run in tiles is an error.
func (n *Network) WeighBlobs(on bool) error {
	if on {
		if err := n.tiled("regions are selected in maps of the picture's own pixels"); err != nil {
			return err
		}
	}
	n.spec.Blobs = on
	return nil
}

// tiled returns an error for a network that does not run in tiles; why says what needs tiles.
func (n *Network) tiled(why string) error {
	if n.spec.Mode != ModeTiles {
		return fmt.Errorf("%v sees pictures scaled to its input: %s", n.spec, why)
	}
	return nil
}

// Spec returns the network's description with every default filled in.
func (n *Network) Spec() Spec { return n.spec }

// Params returns the network's tensors in a fixed order. The slice belongs to the network.
func (n *Network) Params() []Param { return n.params }

// Count returns the number of trainable values.
func (n *Network) Count() int {
	count := 0
	for _, p := range n.params {
		if p.Trainable {
			count += len(p.Data)
		}
	}
	return count
}

// SpecJSON returns the value of SpecKey in a file of this network.
func (n *Network) SpecJSON() string { return n.spec.json() }

// Equal says whether two specs describe the same network.
func (s Spec) Equal(other Spec) bool { return s.json() == other.json() }

func (s Spec) json() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a Spec holds only strings, numbers and slices of them
	}
	return string(text)
}

// Metadata is the metadata of a file with this network.
func (n *Network) Metadata() (map[string]string, error) {
	return map[string]string{SpecKey: n.SpecJSON()}, nil
}

// Uses is nil: the network takes pictures.
func (n *Network) Uses() []Use { return nil }

// Build adds the network to g; see Builder.
func (n *Network) Build(g *graph.Graph, inputs []*graph.Node, train bool) Built {
	return newBuilder(g, train).batch(n.spec, inputs)
}

// Inference returns the network as a program with its weights inside: input PortImage [N, 3,
// height, width], normalised by Mean and Std, the batch open; output PortLogits [N, 1, h, w]. Those
// of a network of ModeWhole are the ports of Pretrained.Program.
func (n *Network) Inference(height, width int) (Program, error) {
	return Inference(n, n.params, Plain, height, width)
}

func equalShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
