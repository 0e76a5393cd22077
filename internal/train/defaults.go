package train

import (
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/train/features"
)

// DefaultConfig returns the published settings where there are any. Data and Out are left to the
// caller.
func DefaultConfig() Config {
	return Config{
		Spec:             network.Spec{Arch: network.ArchXception},
		ObjectiveOptions: ObjectiveOptions{Supervision: Localization, Loss: Loss{Positive: 1}},
		LengthOptions:    LengthOptions{Epochs: 400},
		ExampleOptions: ExampleOptions{BatchSize: 64, Draws: 1, CropSize: 256, Inside: 0.7,
			Augment: Augment{JPEGLow: 60, JPEGHigh: 100}},
		OptimizerOptions: OptimizerOptions{Optimizer: AdamW, LR: 1e-3, Schedule: Plateau},
		RunOptions:       RunOptions{Device: "auto"},
		Cache:            CacheConfig{Size: features.DefaultSize},
	}
}

// DefaultConfigFor is DefaultConfig for an architecture and a supervision. Other authors' networks
// learn slower, from larger crops in smaller batches, and with weights for the small share of
// manipulated pixels, which labels do not have.
func DefaultConfigFor(arch, supervision string) Config {
	c := DefaultConfig()
	switch arch {
	case network.ArchCATNet, network.ArchCATNetDCT:
		c.Loss.Positive = 5 // published: weights 0.5 and 2.5
		c.CropSize = 512    // published
	case network.ArchPSCCNet:
		c.Loss.Balanced = true
	default:
		return c
	}
	c.Spec.Arch, c.BatchSize, c.LR = arch, 8, 1e-4
	if supervision == Detection {
		c.Loss = DefaultConfig().Loss
	}
	return c
}

// Completed fills in the settings that follow from others: an empty BestBy depends on the
// supervision, an empty Spec.Arch means the published baseline.
func (c Config) Completed() Config {
	if c.Spec.Arch == "" {
		c.Spec.Arch = network.ArchXception
	}
	if c.BestBy == "" {
		c.BestBy = ByIoU
		if c.Supervision == Detection {
			c.BestBy = ByAP
		}
	}
	return c
}

// Validate names the first setting that makes no sense.
func (c Config) Validate() error {
	c = c.Completed()
	switch err := c.ValidateOptions(); {
	case c.Data == "" && c.TrainSource == nil:
		return errors.New("training options: no data to train on")
	case c.Out == "":
		return errors.New("training options: no directory for the results")
	case err != nil:
		return err
	case c.Resume && c.Force:
		return errors.New("training options: --resume continues the results that --force replaces: choose one")
	case c.FineTune && c.Init == "" && !c.onBackbones():
		return fmt.Errorf("training options: fine-tuning is for backbones in files of their own; all of %s is trained anyway", c.Spec.Arch)
	case c.Network != nil || c.Init != "": // the network exists already
		return nil
	case c.onBackbones(): // the rest depends on files
		return network.CheckDecoder(c.Spec.Decoder)
	}
	return c.Spec.Validate()
}

// check is a condition on a setting, and the error if it does not hold.
type check struct {
	ok      bool
	message string
}

// ValidateOptions is Validate without the data, the output directory and the network.
func (c Config) ValidateOptions() error {
	c = c.Completed()
	for _, list := range [][]check{c.lengthChecks(), c.exampleChecks(), c.optimizerChecks(), c.objectiveChecks(), c.startChecks(), c.runChecks()} {
		for _, check := range list {
			if !check.ok {
				return errors.New("training options: " + check.message)
			}
		}
	}
	return nil
}

func (o LengthOptions) lengthChecks() []check {
	return []check{
		{o.Epochs > 0, fmt.Sprintf("epochs %d: want at least 1", o.Epochs)},
		{o.EpochPictures >= 0, fmt.Sprintf("pictures per epoch %d: want at least 0", o.EpochPictures)},
		{o.MaxTime >= 0, "time limit: want at least 0"},
	}
}

func (o ExampleOptions) exampleChecks() []check {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	a := o.Augment
	return []check{
		{o.BatchSize > 0, fmt.Sprintf("batch size %d: want at least 1", o.BatchSize)},
		{o.Draws > 0, fmt.Sprintf("draws %d: want at least 1", o.Draws)},
		{o.CropSize > 0 && o.CropSize%8 == 0, fmt.Sprintf("crop size %d: want a positive multiple of 8", o.CropSize)},
		{o.Inside != 0, "inside 0: want more than 0 (1e-9 is next to none)"},
		{share(o.Inside) && share(a.Tone) && share(a.JPEG) && share(a.Noise), "a share is outside [0,1]"},
		{a.JPEGLow >= 1 && a.JPEGLow <= a.JPEGHigh && a.JPEGHigh <= 100,
			fmt.Sprintf("JPEG qualities %d..%d: want 1 <= low <= high <= 100", a.JPEGLow, a.JPEGHigh)},
		{slices.Contains([]string{"", NoAugment, Blur, ColorJitter, JPEGCompression, All}, a.Kind),
			fmt.Sprintf("augmentation %q: want none, blur, color_jitter, jpeg_compression or all", a.Kind)},
	}
}

func (o OptimizerOptions) optimizerChecks() []check {
	return []check{
		{o.LR > 0, fmt.Sprintf("learning rate %g: want more than 0", o.LR)},
		{o.WeightDecay >= 0, fmt.Sprintf("weight decay %g: want at least 0", o.WeightDecay)},
		{o.Clip >= 0, fmt.Sprintf("gradient limit %g: want at least 0", o.Clip)},
		{o.Warmup >= 0, fmt.Sprintf("warm-up %d steps: want at least 0", o.Warmup)},
		{o.Average >= 0 && o.Average < 1, fmt.Sprintf("weight averaging %g: want [0,1)", o.Average)},
		{slices.Contains([]string{AdamW, SGD}, o.Optimizer), fmt.Sprintf("optimizer %q: want adamw or sgd", o.Optimizer)},
		{slices.Contains([]string{Constant, Cosine, Plateau}, o.Schedule),
			fmt.Sprintf("schedule %q: want constant, cosine or plateau", o.Schedule)},
	}
}

func (o ObjectiveOptions) objectiveChecks() []check {
	detection := o.Supervision == Detection
	return []check{
		{o.Loss.Positive > 0 && o.Loss.Dice >= 0, "loss: want a positive weight and a Dice weight of at least 0"},
		{slices.Contains([]string{Localization, Detection}, o.Supervision),
			fmt.Sprintf("supervision %q: want localization or detection", o.Supervision)},
		{!detection || o.BestBy == ByAP, fmt.Sprintf("best by %q: want ap in detection", o.BestBy)},
		{!detection || o.Loss.Positive == 1 && o.Loss.Dice == 0 && !o.Loss.Balanced, "loss: detection has no weights and no Dice loss"},
		{slices.Contains([]string{ByIoU, ByF1, ByAP, ByBalanced}, o.BestBy),
			fmt.Sprintf("best by %q: want iou, f1, ap or balanced", o.BestBy)},
	}
}

// startChecks are those of the one choice which weights are trained.
func (c Config) startChecks() []check {
	return []check{
		{!c.FineTune || c.Spec.LoRA == nil, "adapters (--lora) and --fine-tune exclude each other"},
		{c.Spec.LoRA == nil || c.Init != "" || c.onBackbones(), fmt.Sprintf("adapters (--lora) are for backbones of DINOv2 and DINOv3, not for %s", c.Spec.Arch)},
		{!c.FineTune || !c.Spec.Frozen, "a backbone can't be frozen and fine-tuned"},
		{!c.Thaw || !c.ThawContext, "--thaw-backbone and --thaw-context exclude each other"},
		{c.Backbone == "" || !c.Spec.OtherAuthors(), fmt.Sprintf("%s has no backbone of its own: start from a whole file (--init)", c.Spec.Arch)},
		{len(c.BackboneFiles) == 0 || c.Init != "" || !c.Spec.OtherAuthors(), fmt.Sprintf("%s takes no backbone's file", c.Spec.Arch)},
		{c.Init != "" || !c.Thaw && !c.ThawContext, "there is no checkpoint (--init) whose backbone could be thawed"},
	}
}

func (c Config) runChecks() []check {
	return []check{
		{c.ValidLimit >= 0, fmt.Sprintf("validation pictures %d: want at least 0", c.ValidLimit)},
		{c.SaveSteps >= 0, fmt.Sprintf("steps between checkpoints %d: want at least 0", c.SaveSteps)},
		{c.Cache.Dir == "" || c.Cache.Size > 0, fmt.Sprintf("cache of %d bytes: want more than 0", c.Cache.Size)},
		{c.Cache.Draws >= 0, fmt.Sprintf("cached augmentations %d: want at least 0", c.Cache.Draws)},
		{c.Workers >= 0, fmt.Sprintf("workers %d: want at least 0", c.Workers)},
		{c.Threads >= 0 && c.Threads <= engine.MaxThreads(), fmt.Sprintf("threads %d: want 0 to %d", c.Threads, engine.MaxThreads())},
	}
}
