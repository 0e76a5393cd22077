package train

import (
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/optimizer"
	"github.com/declip/declip/internal/train/features"
)

// Optimizers.
const (
	AdamW = string(optimizer.AdamW)
	SGD   = string(optimizer.SGD)
)

// Schedules of the learning rate.
const (
	Constant = "constant" // the same rate throughout
	Cosine   = "cosine"   // linear warm-up, then half a cosine down to a hundredth of the rate
	Plateau  = "plateau"  // divided by 10 after 5 epochs without improvement; as published
)

// What a network learns from.
const (
	Localization = "localization" // masks, the published main case
	Detection    = "detection"    // labels of whole pictures
)

// Published augmentations.
const (
	NoAugment       = "none"
	Blur            = "blur"             // 5 x 5 Gaussian with sigma 0.4 to 2
	ColorJitter     = "color_jitter"     // brightness, contrast, saturation and hue by up to 0.3
	JPEGCompression = "jpeg_compression" // quality 30 to 100
	All             = "all"              // all three, one after the other
)

// Metrics that select the best checkpoint.
const (
	ByIoU      = "iou"      // the published criterion
	ByF1       = "f1"       // F1 at threshold 0.5
	ByAP       = "ap"       // pixel average precision; in detection over pictures, as published
	ByBalanced = "balanced" // F1 + AP - share of untouched pictures flagged, each in [0,1]
)

// Config holds everything that a training depends on. DefaultConfig gives the published settings; a
// zero means zero. The options that the result depends on have JSON names: they are stored in
// checkpoints and must be the same when a training is resumed, and studies derive the names of
// their runs from them.
type Config struct {
	Spec network.Spec `json:"spec"` // the network; that of Init or Network takes precedence
	DataOptions
	StartOptions
	ObjectiveOptions
	LengthOptions
	ExampleOptions
	OptimizerOptions
	OutputOptions
	RunOptions
	Cache CacheConfig `json:"cache"`
	Hooks Hooks       `json:"-"`
}

// StartOptions say which weights a training starts from, and which of them it trains.
type StartOptions struct {
	// Init is a checkpoint whose network and weights training starts from, instead of Spec and
	// weights drawn from Seed.
	Init string `json:"init,omitempty"`
	// Backbone is a checkpoint whose backbone a new network starts with.
	Backbone string `json:"backbone,omitempty"`
	// BackboneFiles hold the backbones that Spec.Arch names. Missing ones are taken from the models
	// directory. They are frozen unless FineTune is set.
	BackboneFiles []string `json:"backbone_files,omitempty"`
	// Unfreezing says which frozen weights are trained. Spec.Frozen and Spec.FrozenTrunk say which
	// weights of a new network in one piece are not.
	Unfreezing
	// Network is trained instead of the one that Spec or Init describes.
	Network Network `json:"-"`
}

// Unfreezing says which weights that were frozen until now are trained. At most one field is set.
type Unfreezing struct {
	// FineTune trains the backbones of BackboneFiles, or of Init. The checkpoint then holds them.
	FineTune bool `json:"fine_tune,omitempty"`
	// Thaw trains the backbone of a network in one piece, given by Init.
	Thaw bool `json:"thaw,omitempty"`
	// ThawContext trains the context decoder of an xceptionnet-lite, given by Init, but not the
	// layers below it.
	ThawContext bool `json:"thaw_context,omitempty"`
}

// DataOptions say which pictures a network is trained and validated on.
type DataOptions struct {
	Data       string `json:"data"`            // data set to train on, named as for dataset.Open
	Valid      string `json:"valid,omitempty"` // without it the latest checkpoint is the best
	ValidLimit int    `json:"valid_limit"`     // largest number of validation pictures; 0 means all
	// SkipBad leaves out pictures and masks that cannot be read; the next picture of the data set
	// replaces each. Without it they end the training.
	SkipBad bool `json:"skip_bad"`
	// Reading says how Data and Valid are read. Of data sets with splits, "train" and "valid" are
	// used unless their names select a split.
	Reading dataset.Options `json:"-"`
	// TrainSource and ValidSource are used instead of Data and Valid if they are set.
	TrainSource dataset.Source `json:"-"`
	ValidSource dataset.Source `json:"-"`
}

// ObjectiveOptions say what is minimized, and what selects the best checkpoint.
type ObjectiveOptions struct {
	// Supervision is Localization, or Detection: the mean logit of a map against the picture's
	// label.
	Supervision string `json:"supervision"`
	Loss        Loss   `json:"loss"`
	// BestBy is the metric that selects the best checkpoint; "" means ByIoU, in detection ByAP.
	BestBy string `json:"best_by"`
}

// LengthOptions say when a training ends.
type LengthOptions struct {
	Epochs        int `json:"epochs"`
	EpochPictures int `json:"epoch_pictures"` // pictures per epoch; 0 means all of the data
	// MaxTime ends the training early; 0 means no limit. With it the result depends on the clock.
	MaxTime time.Duration `json:"max_time,omitempty"`
}

// ExampleOptions say how pictures become training examples.
type ExampleOptions struct {
	BatchSize int `json:"batch_size"`
	Draws     int `json:"draws"`     // crops of each decoded picture, in different batches
	CropSize  int `json:"crop_size"` // pixels, for networks that run in tiles
	// Inside is the share of the crops of a manipulated picture that are made to hold part of the
	// mask, in (0,1].
	Inside  float64 `json:"inside"`
	Augment Augment `json:"augment"`
}

// OptimizerOptions say how the weights move.
type OptimizerOptions struct {
	Optimizer   string  `json:"optimizer"`
	LR          float64 `json:"lr"`
	WeightDecay float64 `json:"weight_decay"`
	Clip        float64 `json:"clip"` // largest global norm of the gradient; 0 means no limit
	Schedule    string  `json:"schedule"`
	Warmup      int64   `json:"warmup"`  // steps of rising rate in the cosine schedule
	Average     float64 `json:"average"` // decay of the running average of the weights; 0 means none
}

// OutputOptions say what is written, and where.
type OutputOptions struct {
	Out    string `json:"-"` // directory for best.safetensors, last.safetensors and log.jsonl
	Resume bool   `json:"-"` // continue from Out/last.safetensors if it exists
	Force  bool   `json:"-"` // replace the results of another training in Out
	// SaveSteps writes last.safetensors every SaveSteps steps as well as after each epoch; 0 means
	// only after each epoch.
	SaveSteps int64 `json:"-"`
	// NoTensorBoard leaves out the event files.
	NoTensorBoard bool `json:"-"`
}

// RunOptions say where a training runs, and from which seed.
type RunOptions struct {
	Seed    uint64 `json:"seed"`
	Device  string `json:"device"`
	Library string `json:"-"`       // ONNX Runtime's shared library; "" means that it is searched for
	Threads int    `json:"threads"` // of the engine; 0 means the cores that the process may use
	Workers int    `json:"-"`       // pictures prepared at a time; 0 means the cores
	// Engine is used instead of opening one. It is not closed.
	Engine *engine.Engine `json:"-"`
	// Features gives the features of the network's backbones, instead of passes through them. It is
	// not closed.
	Features features.Source `json:"-"`
}

// Augment says how crops and resized pictures are augmented. Shares are in [0,1].
type Augment struct {
	Kind     string  `json:"kind,omitempty"` // a published augmentation; "" and NoAugment mean none
	Turn     bool    `json:"turn"`           // flips and quarter turns (crops only)
	Tone     float64 `json:"tone"`           // share with changed brightness and contrast
	JPEG     float64 `json:"jpeg"`           // share recompressed
	JPEGLow  int     `json:"jpeg_low"`       // lowest quality, 1 to 100
	JPEGHigh int     `json:"jpeg_high"`      // highest quality
	Noise    float64 `json:"noise"`          // share with Gaussian noise of up to 3 levels
}

// Loss is a weighted sum of terms over all cells of the batch's maps.
type Loss struct {
	// Positive weighs the manipulated part of the binary cross-entropy. Published: 1.
	Positive float64 `json:"positive"`
	// Balanced makes the manipulated and the untouched cells of a batch count the same: the
	// cross-entropy is the mean of the means over either kind.
	Balanced bool `json:"balanced,omitempty"`
	// Dice weighs the Dice loss, the mean over the batch's pictures of 1 - (2 sum(p t) + s) /
	// (sum(p) + sum(t) + s) with probabilities p, targets t and s a hundredth of the picture's
	// cells, so that a few cells of an untouched picture cost little.
	Dice float64 `json:"dice"`
}

// CacheConfig says where and how features of frozen backbones are cached.
type CacheConfig struct {
	Dir  string `json:"-"` // directory; "" means that features are computed each time
	Size int64  `json:"-"` // in bytes; see features.Options
	// Layers of each backbone that are stored in addition to the needed ones, for later trainings:
	// one pass gives all.
	Layers []string `json:"-"`
	// Half rounds features to half precision, which halves their size on disk. They are rounded
	// with and without a cache, so that the result of a training does not depend on the cache.
	Half bool `json:"half"`
	// Draws is the number of augmentations of each picture, used in turn, so that their features
	// can be cached; 0 means a different one each time, whose features are not cached.
	Draws int `json:"draws"`
}
