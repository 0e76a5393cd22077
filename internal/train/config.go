// Package train fits a network to pictures with masks. One step is one graph (forward, backward, optimizer) run by the
// engine; around it stand the loader that prepares the next batches meanwhile, validation, checkpoints and the log.
//
// With the same configuration, data, seed and threads, training gives the same weights, bit for bit, and so does
// a training that was interrupted and resumed. Only MaxTime gives that up, because it makes the clock decide.
package train

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/optimizer"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/train/features"
)

// Optimizers, schedules and what "best" goes by.
const (
	AdamW = string(optimizer.AdamW)
	SGD   = string(optimizer.SGD)

	Constant = "constant" // the same rate throughout
	Cosine   = "cosine"   // linear warm-up, then half a cosine down to a hundredth of the rate
	Plateau  = "plateau"  // the published way: divided by 10 after 5 epochs without improvement, ended below 1e-6

	Localization = "localization" // by masks, the published main case
	Detection    = "detection"    // by labels of whole pictures

	Blur            = "blur"             // 5 x 5 Gaussian of sigma 0.4 to 2
	ColorJitter     = "color_jitter"     // brightness, contrast, saturation and hue by up to 0.3
	JPEGCompression = "jpeg_compression" // of quality 30 to 100
	All             = "all"              // the three, one after the other

	ByIoU      = "iou"      // the published criterion
	ByF1       = "f1"       // F1 at threshold 0.5
	ByAP       = "ap"       // pixel average precision; over pictures in detection, the published criterion there
	ByBalanced = "balanced" // F1 + AP - share of untouched pictures flagged, each in [0,1]
)

// Config is everything a training depends on. Fields left at their zero value mean the default that Defaults fills in:
// the published setting, where there is one.
type Config struct {
	Spec network.Spec `json:"spec"` // the network
	Data string       `json:"data"` // data set to train on, named as dataset.Open takes it
	Out  string       `json:"-"`    // folder for best.safetensors, last.safetensors, log.jsonl

	Valid      string `json:"valid,omitempty"` // data set to validate on; without one, best is the latest
	ValidLimit int    `json:"valid_limit"`     // at most so many validation pictures; 0 = all
	BestBy     string `json:"best_by"`

	// Supervision is Localization or Detection: the mean logit of a map against the picture's label.
	Supervision string `json:"supervision"`

	Epochs        int `json:"epochs"`
	EpochPictures int `json:"epoch_pictures"` // pictures per epoch; 0 = all of the data
	BatchSize     int `json:"batch_size"`
	Draws         int `json:"draws"` // crops made of each decoded picture, which go to different batches

	CropSize int     `json:"crop_size"` // pixels, for networks that run in tiles
	Inside   float64 `json:"inside"`    // share of the crops of a manipulated picture made to hold part of the mask; 0 = 0.7
	Augment  Augment `json:"augment"`

	Optimizer   string  `json:"optimizer"`
	LR          float64 `json:"lr"`
	WeightDecay float64 `json:"weight_decay"`
	Clip        float64 `json:"clip"` // largest global norm of the gradient; 0 = no limit
	Schedule    string  `json:"schedule"`
	Warmup      int64   `json:"warmup"`  // steps over which the rate rises from 0, with the cosine schedule
	Average     float64 `json:"average"` // decay of the running average of the weights; 0 = none
	Loss        Loss    `json:"loss"`

	Cache CacheConfig `json:"cache"`

	Seed    uint64        `json:"seed"`
	Device  string        `json:"device"`
	Library string        `json:"-"`       // ONNX Runtime's shared library; "" = looked for
	Threads int           `json:"threads"` // of the engine; 0 = the cores the process may use
	Workers int           `json:"-"`       // pictures being prepared at a time; no influence on the result
	MaxTime time.Duration `json:"max_time,omitempty"`
	Resume  bool          `json:"-"` // go on from Out/last.safetensors

	// BackboneFiles hold the backbones that Spec.Arch names, which stay as they are; what is lacking is looked for in
	// the models folder.
	BackboneFiles []string `json:"backbone_files,omitempty"`
	// FineTune trains the backbones of BackboneFiles, or of Init, too. The checkpoint then holds them.
	FineTune bool `json:"fine_tune,omitempty"`
	// Backbone is a checkpoint whose backbone a new network starts with.
	Backbone string `json:"backbone,omitempty"`
	// Thaw trains the backbone of Init's network too, where it was frozen.
	Thaw bool `json:"thaw,omitempty"`
	// ThawContext trains the context decoder of Init's xceptionnet-lite, and keeps what is below it.
	ThawContext bool `json:"thaw_context,omitempty"`
	// Init is a checkpoint whose network and weights training starts from, in place of Spec and Seed's weights.
	Init string `json:"init,omitempty"`

	// SaveSteps writes last.safetensors every so many steps, besides the end of each epoch. 0 = only then.
	SaveSteps int64 `json:"-"`
	// SkipBad leaves out pictures that cannot be read, or whose masks cannot; the next one in the data set's order
	// stands in for each. Without it they end the training.
	SkipBad bool `json:"skip_bad"`
	// NoTensorBoard leaves out the event files.
	NoTensorBoard bool  `json:"-"`
	Hooks         Hooks `json:"-"`

	// Reading says how Data and Valid are read. Of data sets with splits, "train" and "valid" are taken unless their
	// names say otherwise.
	Reading dataset.Options `json:"-"`

	// Where these are set they stand in for Data, Valid, the network of Spec and the engine.
	TrainSource dataset.Source  `json:"-"`
	ValidSource dataset.Source  `json:"-"`
	Network     Network         `json:"-"`
	Features    features.Source `json:"-"` // of the Network's backbones, in place of passes through them; not closed
	Engine      *engine.Engine  `json:"-"`
}

// Augment says how crops and resized pictures are varied. Shares are in [0,1].
type Augment struct {
	Kind     string  `json:"kind,omitempty"` // Blur, ColorJitter, JPEGCompression, All; "" or "none" = none of the published ones
	Turn     bool    `json:"turn"`           // flips and quarter turns (crops only)
	Tone     float64 `json:"tone"`           // share with changed brightness and contrast
	JPEG     float64 `json:"jpeg"`           // share recompressed as a whole
	JPEGLow  int     `json:"jpeg_low"`       // lowest quality, 1..100; default 60
	JPEGHigh int     `json:"jpeg_high"`      // highest quality; default 100
	Noise    float64 `json:"noise"`          // share with Gaussian noise of up to 3 levels
}

// Loss is a weighted sum of terms over all cells of the batch's maps.
type Loss struct {
	// Positive weighs the manipulated part of the binary cross-entropy. Default 1, as published.
	Positive float64 `json:"positive"`
	// Dice adds this much of the mean over the batch's pictures of 1 - (2 sum(p t) + s) / (sum(p) + sum(t) + s), p being
	// probabilities, t targets and s a hundredth of the picture's cells, which lets a few cells of an untouched picture pass.
	Dice float64 `json:"dice"`
}

// Defaults fills in what is left at zero.
func (c Config) Defaults() Config {
	c.Spec.Arch = cmp.Or(c.Spec.Arch, network.ArchXception)
	c.Supervision = cmp.Or(c.Supervision, Localization)
	c.BestBy = c.bestBy()
	c.Epochs = cmp.Or(c.Epochs, 400)
	c.BatchSize = cmp.Or(c.BatchSize, 64)
	c.Draws = cmp.Or(c.Draws, 1)
	c.CropSize = cmp.Or(c.CropSize, 256)
	c.Inside = cmp.Or(c.Inside, 0.7)
	c.Augment.JPEGLow = cmp.Or(c.Augment.JPEGLow, 60)
	c.Augment.JPEGHigh = cmp.Or(c.Augment.JPEGHigh, 100)
	c.Optimizer = cmp.Or(c.Optimizer, AdamW)
	c.LR = cmp.Or(c.LR, 1e-3)
	c.Schedule = cmp.Or(c.Schedule, Plateau)
	c.Loss.Positive = cmp.Or(c.Loss.Positive, 1)
	c.Device = cmp.Or(c.Device, "auto")
	return c
}

// bestBy is what the best checkpoint goes by, which depends on the supervision if nothing is said.
func (c Config) bestBy() string {
	switch {
	case c.BestBy != "":
		return c.BestBy
	case c.Supervision == Detection:
		return ByAP
	}
	return ByIoU
}

// Validate names the first setting that makes no sense.
func (c Config) Validate() error {
	switch err := c.CheckOptions(); {
	case c.Data == "" && c.TrainSource == nil:
		return errors.New("training options: no folder to train on")
	case c.Out == "":
		return errors.New("training options: no folder for the results")
	case err != nil:
		return err
	case c.FineTune && c.Init == "" && !c.onBackbones():
		return fmt.Errorf("training options: fine-tuning is for backbones in files; %s is trained as a whole anyway", c.Spec.Arch)
	case c.Network != nil || c.Init != "": // the network is there already
		return nil
	case c.onBackbones(): // the rest depends on files
		return network.CheckDecoder(c.Spec.Decoder)
	}
	return c.Spec.Check()
}

// CheckOptions is Validate but for the data, the folder and the network. Where people fill in a Config that began as the
// Defaults, it also tells a zero that was asked for, and makes no sense, from one that was left alone.
func (c Config) CheckOptions() error {
	c.BestBy = c.bestBy()
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	checks := []struct {
		ok      bool
		message string
	}{
		{c.Epochs > 0, fmt.Sprintf("epochs %d: want at least 1", c.Epochs)},
		{c.EpochPictures >= 0, fmt.Sprintf("pictures per epoch %d: want at least 0", c.EpochPictures)},
		{c.BatchSize > 0, fmt.Sprintf("batch size %d: want at least 1", c.BatchSize)},
		{c.Draws > 0, fmt.Sprintf("draws %d: want at least 1", c.Draws)},
		{c.CropSize > 0 && c.CropSize%8 == 0, fmt.Sprintf("crop size %d: want a positive multiple of 8", c.CropSize)},
		{c.LR > 0, fmt.Sprintf("learning rate %g: want more than 0", c.LR)},
		{c.WeightDecay >= 0, fmt.Sprintf("weight decay %g: want at least 0", c.WeightDecay)},
		{c.Clip >= 0, fmt.Sprintf("gradient limit %g: want at least 0", c.Clip)},
		{c.Warmup >= 0, fmt.Sprintf("warm-up %d steps: want at least 0", c.Warmup)},
		{c.Average >= 0 && c.Average < 1, fmt.Sprintf("weight averaging %g: want [0,1)", c.Average)},
		{c.Loss.Positive > 0 && c.Loss.Dice >= 0, "loss: want a positive weight and a dice share of at least 0"},
		{c.Inside != 0, "inside 0: want more than 0 (1e-9 is next to none)"},
		{share(c.Inside) && share(c.Augment.Tone) && share(c.Augment.JPEG) && share(c.Augment.Noise), "a share lies outside [0,1]"},
		{c.Augment.JPEGLow >= 1 && c.Augment.JPEGLow <= c.Augment.JPEGHigh && c.Augment.JPEGHigh <= 100,
			fmt.Sprintf("JPEG qualities %d..%d: want 1 <= low <= high <= 100", c.Augment.JPEGLow, c.Augment.JPEGHigh)},
		{slices.Contains([]string{AdamW, SGD}, c.Optimizer), fmt.Sprintf("optimizer %q: want adamw or sgd", c.Optimizer)},
		{slices.Contains([]string{Constant, Cosine, Plateau}, c.Schedule),
			fmt.Sprintf("schedule %q: want constant, cosine or plateau", c.Schedule)},
		{slices.Contains([]string{Localization, Detection}, c.Supervision),
			fmt.Sprintf("supervision %q: want localization or detection", c.Supervision)},
		{c.Supervision != Detection || c.BestBy == ByAP, fmt.Sprintf("best by %q: want ap in detection", c.BestBy)},
		{c.Supervision != Detection || c.Loss.Positive == 1 && c.Loss.Dice == 0, "loss: detection knows no weights and no dice"},
		{slices.Contains([]string{"", none, Blur, ColorJitter, JPEGCompression, All}, c.Augment.Kind),
			fmt.Sprintf("augmentation %q: want none, blur, color_jitter, jpeg_compression or all", c.Augment.Kind)},
		{slices.Contains([]string{ByIoU, ByF1, ByAP, ByBalanced}, c.BestBy),
			fmt.Sprintf("best by %q: want iou, f1, ap or balanced", c.BestBy)},
		{!c.FineTune || !c.Spec.Frozen, "a backbone can't be frozen and fine-tuned"},
		{!c.Thaw || !c.ThawContext, "either the backbone is thawed or its context decoder alone"},
		{c.Init != "" || !c.Thaw && !c.ThawContext, "there is no checkpoint whose backbone could be thawed"},
		{c.MaxTime >= 0, "time limit: want at least 0"},
		{c.ValidLimit >= 0, fmt.Sprintf("validation pictures %d: want at least 0", c.ValidLimit)},
		{c.SaveSteps >= 0, fmt.Sprintf("steps between checkpoints %d: want at least 0", c.SaveSteps)},
		{c.Cache.Size >= 0 && c.Cache.Draws >= 0, "cache: want a size and a number of draws of at least 0"},
		{c.Workers >= 0, fmt.Sprintf("workers %d: want at least 0", c.Workers)},
		{c.Threads >= 0 && c.Threads <= engine.MaxThreads(), fmt.Sprintf("threads %d: want 0 to %d", c.Threads, engine.MaxThreads())},
	}
	for _, check := range checks {
		if !check.ok {
			return errors.New("training options: " + check.message)
		}
	}
	return nil
}

// none is the name of no published augmentation.
const none = "none"

// published are the published augmentations asked for, in order.
func (a Augment) published() []dataset.Augment {
	var list []dataset.Augment
	if a.Kind == Blur || a.Kind == All {
		list = append(list, dataset.GaussianBlur(0.4, 2))
	}
	if a.Kind == ColorJitter || a.Kind == All {
		list = append(list, dataset.ColorJitter(0.3))
	}
	if a.Kind == JPEGCompression || a.Kind == All {
		list = append(list, dataset.Recompress(1, 30, 100))
	}
	return list
}

// maker says how samples become training examples for the network.
func (c Config) maker(spec network.Spec) dataset.Maker {
	augment := c.Augment.published()
	if c.Augment.Tone > 0 {
		augment = append(augment, dataset.Tone(c.Augment.Tone, 0.2))
	}
	if c.Augment.Noise > 0 {
		augment = append(augment, dataset.Noise(c.Augment.Noise, 3))
	}
	if c.Augment.JPEG > 0 {
		augment = append(augment, dataset.Recompress(c.Augment.JPEG, c.Augment.JPEGLow, c.Augment.JPEGHigh))
	}
	norm := picture.Normalization{Mean: network.Mean, Std: network.Std}
	if spec.Mode == network.ModeTiles {
		return dataset.Crop{Size: c.CropSize, Stride: spec.Stride, Inside: c.Inside, Turn: c.Augment.Turn, Grid: spec.DCT > 0,
			Normalization: norm, Augment: augment}
	}
	return dataset.Resize{Size: spec.Input, Target: spec.Output, Normalization: norm, Augment: augment}
}

// CacheConfig says where and how features of frozen backbones are cached.
type CacheConfig struct {
	Dir  string `json:"-"` // directory; "" means that features are computed each time
	Size int64  `json:"-"` // see features.Options
	// Layers of each backbone that are stored in addition to the needed ones, for later trainings:
	// one pass gives all.
	Layers []string `json:"-"`
	// Half rounds features to half precision, which halves their size on disk. They are rounded with
	// and without a cache, so that the result of a training does not depend on the cache.
	Half bool `json:"half"`
	// Draws is the number of augmentations of each picture, used in turn, so that their features can
	// be cached; 0 means a different one each time, whose features are not cached.
	Draws int `json:"draws"`
}
