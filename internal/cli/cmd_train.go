package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/internal/train/features"
)

// trainOptions are the flags of "declip train".
type trainOptions struct {
	config    train.Config
	noCache   bool
	cacheType string
	sets      dataOptions
	lora      loraOptions
}

// loraOptions are the flags for adapters.
type loraOptions struct {
	rank    int
	alpha   float64
	targets []string
}

// AddFlags declares the flags with their defaults.
func (o *loraOptions) AddFlags(f *pflag.FlagSet) {
	f.IntVar(&o.rank, "lora", 0, "train adapters of rank `R` of the backbone next to the decoder (DINOv2, DINOv3); the checkpoint holds both, not the backbone")
	f.Float64Var(&o.alpha, "lora-alpha", 0, "factor of the adapters, times their rank (default: twice the rank)")
	f.StringSliceVar(&o.targets, "lora-targets", nil,
		"layers with an adapter: "+strings.Join(network.LoRATargets(), ", ")+" (default: qkv)")
}

// into puts the adapters into a spec; flags without --lora are an error.
func (o *loraOptions) into(s *network.Spec) error {
	if o.rank == 0 {
		if o.alpha != 0 || o.targets != nil {
			return errors.New("--lora-alpha and --lora-targets need --lora")
		}
		return nil
	}
	s.LoRA = &network.LoRA{Rank: o.rank, Alpha: o.alpha, Targets: o.targets}
	return s.LoRA.Validate()
}

// AddFlags declares the flags with their defaults.
func (o *trainOptions) AddFlags(f *pflag.FlagSet) {
	c := &o.config
	*c = train.DefaultConfig()
	section(f, "Data and output", func(f *pflag.FlagSet) { o.addDataFlags(f) })
	section(f, "Training", func(f *pflag.FlagSet) {
		addEpochFlags(f, c)
		f.StringVar(&c.Supervision, "supervision", c.Supervision, supervisionUsage)
		f.BoolVar(&c.Resume, "resume", false, "continue from last.safetensors in the output directory, if it exists")
		f.BoolVar(&c.Force, "force", false, "replace the results of an earlier training in the output directory")
		f.Int64Var(&c.SaveSteps, "save-steps", c.SaveSteps, "write last.safetensors every N steps (default: after each epoch)")
		f.BoolVar(&c.SkipBad, "skip-bad", false, skipBadUsage)
	})
	section(f, "Network", func(f *pflag.FlagSet) {
		addNetworkFlags(f, c)
		o.lora.AddFlags(f)
		f.StringVar(&c.Init, "init", "", "checkpoint `file` whose network and weights to start from: declip's, or a published one of CAT-Net or PSCC-Net")
		f.StringVar(&c.Backbone, "backbone", "", backboneUsage)
		f.BoolVar(&c.Spec.Frozen, "freeze-backbone", false, freezeUsage)
		f.BoolVar(&c.FineTune, "fine-tune", false, "also train the backbones of --clip, or of the model of --init; the cost is printed at start")
		f.BoolVar(&c.Thaw, "thaw-backbone", false, "with --init: train a backbone that was frozen until now")
		f.BoolVar(&c.ThawContext, "thaw-context", false, "with --init: also train xceptionnet-lite's context decoder, with its trunk frozen")
	})
	section(f, "Optimizer", func(f *pflag.FlagSet) { addOptimizerFlags(f, c) })
	section(f, "Examples and augmentation", func(f *pflag.FlagSet) { addExampleFlags(f, c) })
	section(f, "Engine and cache", func(f *pflag.FlagSet) {
		addEngineFlags(f, &c.Device, &c.Threads)
		f.IntVar(&c.Workers, "workers", c.Workers, "pictures prepared at once (default: one per core)")
		o.addCacheFlags(f)
	})
}

// addDataFlags declares what a training reads and writes.
func (o *trainOptions) addDataFlags(f *pflag.FlagSet) {
	c := &o.config
	f.StringVar(&c.Data, "data", "", "data `set` to train on: a directory or list, as DIR or DIR:SPLIT")
	f.StringVar(&c.Valid, "valid", "", "data `set` to validate on after each epoch; without one the latest checkpoint is the best")
	f.StringVarP(&c.Out, "out", "o", "", "`directory` for best.safetensors, last.safetensors and log.jsonl")
	f.BoolVar(&c.NoTensorBoard, "no-tensorboard", false, "do not write TensorBoard event files to the output directory")
	o.sets.addFlags(f)
}

// Texts of flags that "declip train" and "declip study" share.
const (
	supervisionUsage = "localization: learn from masks; detection: learn only whether a picture is manipulated"
	skipBadUsage     = "skip pictures that cannot be read, instead of stopping; each one is reported"
	backboneUsage    = "checkpoint `file` whose backbone weights a new network starts with"
	freezeUsage      = "train the decoder only (xceptionnet with --clip, xceptionnet-lite; other backbones are always frozen)"
)

// addEpochFlags declares how long is trained and how the best checkpoint is selected.
func addEpochFlags(f *pflag.FlagSet, c *train.Config) {
	f.IntVar(&c.Epochs, "epochs", c.Epochs, "largest number of passes over the data")
	f.IntVar(&c.BatchSize, "batch-size", c.BatchSize, "pictures per step")
	f.IntVar(&c.EpochPictures, "epoch-pictures", c.EpochPictures, "pictures per epoch (default: all)")
	f.DurationVar(&c.MaxTime, "max-time", 0, "stop cleanly after this time, such as 90m (default: no limit)")
	f.IntVar(&c.ValidLimit, "valid-limit", c.ValidLimit, "validate on at most N pictures (default: all)")
	f.StringVar(&c.BestBy, "best-by", "", "metric that selects the best checkpoint: iou, f1, ap or balanced (default: iou; in detection ap of whole pictures)")
	f.Uint64Var(&c.Seed, "seed", 1, "seed of the weights and the random choices")
}

// addCacheFlags declares how the features of frozen backbones are cached.
func (o *trainOptions) addCacheFlags(f *pflag.FlagSet) {
	c := &o.config.Cache
	f.StringVar(&c.Dir, "cache", "", "`directory` of the feature cache (default: declip/features in the user's cache directory)")
	f.BoolVar(&o.noCache, "no-cache", false, "do not cache features: run the backbones in every epoch")
	c.Size = features.DefaultSize
	f.Var((*byteSize)(&c.Size), "cache-size", "limit of the cache, such as 500MB; a full cache evicts features that no training uses")
	f.StringVar(&o.cacheType, "cache-dtype", "fp32", "type of cached features: fp32, or fp16, which rounds them and takes half the space")
	f.IntVar(&c.Draws, "cache-draws", 0, "augmentations cached of each picture and used in turn; 0: a new one each time, not cached")
}

// settleCache checks and completes the options of the cache.
func (o *trainOptions) settleCache(cmd *cobra.Command) error {
	c := &o.config.Cache
	switch o.cacheType {
	case "fp16":
		c.Half = true
	case "fp32":
	default:
		return usagef(cmd, "--cache-dtype %q: expected fp32 or fp16", o.cacheType)
	}
	if o.noCache {
		if c.Dir != "" {
			return usagef(cmd, "--cache and --no-cache exclude each other")
		}
		return nil
	}
	var err error
	c.Dir, err = orDefaultCache(c.Dir)
	return err
}

// addNetworkFlags declares which network is trained.
func addNetworkFlags(f *pflag.FlagSet, c *train.Config) {
	s := &c.Spec
	f.StringVar(&s.Arch, "arch", s.Arch, "backbone: ViT-L/14, RN50, \"ViT-L/14,RN50\" or another one of CLIP; dinov2-vits14, dinov3-vits16 or another one of DINO; xceptionnet, xceptionnet-lite; or a whole network: cat-net, cat-net-dct, pscc-net")
	f.StringVar(&s.Layer, "layer", s.Layer, "layer of the backbone that the decoder reads, such as layer20, or several separated by commas (default: the last)")
	f.StringArrayVar(&c.BackboneFiles, "clip", nil, "`file` with a backbone; repeatable (default: searched in the models directory)")
	f.StringVar(&s.Decoder, "decoder", s.Decoder, "decoder: linear, attention, conv3, conv-4, conv-12 or conv-20; of xceptionnet-lite: context or pyramid (default: linear, context)")
	f.IntVar(&s.Input, "input", 0, "scale pictures to squares of `N` pixels, for backbones of DINOv2 and DINOv3 (default: 512 for DINOv3, 518 for DINOv2)")
	addStatisticsFlag(f, &s.Statistics)
	f.IntSliceVar(&s.Widths, "widths", nil, "channels of a conv decoder's four stages; xceptionnet-lite: of conv1, conv2, block1, block2; cat-net, pscc-net: of the branches (cat-net-dct has three)")
	f.IntVar(&s.Context, "context", 0, "xceptionnet-lite: channels of the context decoder")
	f.IntVar(&s.Pyramid, "pyramid", 0, "xceptionnet-lite: channels of the pyramid decoder")
	f.IntSliceVar(&s.Dilations, "dilations", nil, "xceptionnet-lite: dilations of the decoder's blocks")
	f.BoolVar(&s.Residual, "residual", false, "xceptionnet-lite: add fixed high-pass channels to the input")
	f.IntVar(&s.Evidence, "evidence", 0, "xceptionnet-lite: channels of the branch that reads traces of JPEG compression measured in the whole picture; 0: no branch")
	f.IntVar(&s.DCT, "dct", 0, "xceptionnet-lite: channels of the branch that reads the DCT of JPEG blocks; 0: no branch")
	f.StringVar(&s.Pool, "pool", "", "xceptionnet-lite: pooling of the blocks: max or mean")
}

// addOptimizerFlags declares how the weights are updated.
func addOptimizerFlags(f *pflag.FlagSet, c *train.Config) {
	f.StringVar(&c.Optimizer, "optimizer", c.Optimizer, "optimizer: adamw or sgd")
	f.Float64Var(&c.LR, "lr", c.LR, "learning rate")
	f.Float64Var(&c.WeightDecay, "weight-decay", c.WeightDecay, "weight decay")
	f.Float64Var(&c.Clip, "clip-norm", c.Clip, "limit of the gradient's norm; 0: no limit")
	f.StringVar(&c.Schedule, "schedule", c.Schedule, "schedule of the learning rate: constant, cosine or plateau")
	f.Int64Var(&c.Warmup, "warmup", c.Warmup, "steps over which the learning rate rises, with the cosine schedule")
	f.Float64Var(&c.Average, "average", c.Average, "decay of the moving average of the weights; 0: no average")
	f.Float64Var(&c.Loss.Positive, "loss-positive", c.Loss.Positive, "weight of manipulated pixels in the cross-entropy")
	f.BoolVar(&c.Loss.Balanced, "loss-balanced", c.Loss.Balanced, "let the manipulated and the untouched pixels of a batch count the same (default with pscc-net)")
	f.Float64Var(&c.Loss.Dice, "loss-dice", c.Loss.Dice, "weight of the Dice loss, which is added to the cross-entropy")
}

// addExampleFlags declares how training examples are made of pictures.
func addExampleFlags(f *pflag.FlagSet, c *train.Config) {
	f.IntVar(&c.CropSize, "crop-size", c.CropSize, "side of a crop in pixels, for xceptionnet-lite, cat-net and pscc-net (xceptionnet uses the whole picture, resized)")
	f.IntVar(&c.Draws, "draws", c.Draws, "crops per decoded picture")
	f.Float64Var(&c.Inside, "inside", c.Inside, "share of the crops of manipulated pictures that contain part of the mask")
	f.StringVar(&c.Augment.Kind, "augment", "none", "augmentation of the paper: none, blur, color_jitter, jpeg_compression or all")
	f.BoolVar(&c.Augment.Turn, "augment-turn", c.Augment.Turn, "flip and rotate crops")
	f.Float64Var(&c.Augment.Tone, "augment-tone", c.Augment.Tone, "share of crops with changed brightness and contrast")
	f.Float64Var(&c.Augment.Noise, "augment-noise", c.Augment.Noise, "share of crops with added noise")
	f.Float64Var(&c.Augment.JPEG, "augment-jpeg", c.Augment.JPEG, "share of crops recompressed as JPEG")
	f.Var(&interval{&c.Augment.JPEGLow, &c.Augment.JPEGHigh}, "augment-jpeg-quality", "lowest and highest quality of --augment-jpeg")
}

// trainHelp is the long help of "declip train".
const trainHelp = `Train a network on pictures with masks, such as those of "declip forge". The
output directory receives the weights with the best validation score
(best.safetensors), the weights to resume from (last.safetensors) and log.jsonl.
Use a trained network as a model by its path: declip localize -m FILE.

--resume continues an interrupted training with the same options; only --epochs,
--max-time and --valid-limit may change. Without --resume, an output directory
that contains a training, or the log of one, is refused; --force replaces it.

The same data, options, seed and threads give the same weights.

cat-net, cat-net-dct and pscc-net are CAT-Net v2, its part over JPEG's
coefficients, and PSCC-Net. Their defaults differ: batches of 8, a learning rate
of 1e-4, for CAT-Net crops of 512 pixels and a weight of 5 for manipulated pixels,
for PSCC-Net the balanced loss.

` + dataHelp + `

If a data set has splits and none is named, "train" of --data and "valid" of
--valid are used.`

// suit replaces the defaults of flags that were not given by those that suit the network.
func (o *trainOptions) suit(f *pflag.FlagSet) {
	arch := o.config.Spec.Arch
	if o.config.Init != "" {
		arch = train.PublishedArch(o.config.Init)
	}
	c := &o.config
	suited := train.DefaultConfigFor(arch, c.Supervision)
	for name, set := range map[string]func(){
		"batch-size":    func() { c.BatchSize = suited.BatchSize },
		"crop-size":     func() { c.CropSize = suited.CropSize },
		"lr":            func() { c.LR = suited.LR },
		"loss-positive": func() { c.Loss.Positive = suited.Loss.Positive },
		"loss-balanced": func() { c.Loss.Balanced = suited.Loss.Balanced },
	} {
		if !f.Changed(name) {
			set()
		}
	}
}

func (a *app) newTrain() *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:   "train --data DIR --out DIR",
		Short: "Train a network on pictures with masks",
		Long:  trainHelp,
		Example: `  declip train --data forged --valid forged-valid --out run1 --epochs 20
  declip train --data forged --valid forged-valid --out run1 --epochs 40 --resume`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "data", "out"); err != nil {
				return err
			}
			err := o.settleCache(cmd)
			if errors.Is(err, errNoDefaultCache) { // as with a cache that cannot be opened
				a.notice(fmt.Sprintf("%v; continuing without it", err))
				err = nil
			}
			if err != nil {
				return err
			}
			o.suit(cmd.Flags())
			if err := o.sets.check(cmd); err != nil {
				return err
			}
			if err := o.lora.into(&o.config.Spec); err != nil {
				return usagef(cmd, "%w", err)
			}
			o.config.Reading = o.sets.into(dataset.Options{}, a.notice)
			o.config = o.config.Completed()
			if err := o.config.Validate(); err != nil {
				return usagef(cmd, "%w", err)
			}
			return a.runTrain(cmd.Context(), o.config)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runTrain(ctx context.Context, c train.Config) error {
	c.Library = a.library
	bar := &progress{}
	defer func() { bar.finish() }()
	c.Hooks.Notice = func(text string) { _ = bar.printf(a.stderr, "declip: %s\n", text) }
	c.Hooks.Start = func(used train.Config, about train.About) {
		writeSettings(a.stderr, used, about)
		bar = a.newSteps(int(about.Steps), "training")
	}
	c.Hooks.Step = func(s train.StepReport) {
		bar.describe(fmt.Sprintf("epoch %d, loss %.4f", s.Epoch, s.Loss))
		bar.expect(s.Left)
		bar.set(int(s.Step))
	}
	c.Hooks.Epoch = func(e train.EpochReport) { _ = bar.printf(a.stdout, "%s\n", epochLine(e, c.Supervision)) }
	summary, err := train.Run(ctx, c)
	err = sayResize(err)
	bar.finish()
	if summary.Interrupted {
		a.say("interrupted after step %d; continue with --resume\n", summary.State.Step)
		return errReported
	}
	if err != nil {
		return err
	}
	if summary.Best == "" {
		return errors.New("training ended without a checkpoint")
	}
	_, err = fmt.Fprintf(a.stdout, "%s: epoch %d, %d trained values, %s on %s\n", summary.Best,
		summary.State.BestEpoch, summary.Parameters, summary.State.Elapsed.Round(time.Second), summary.Device)
	return err
}

// epochLine formats the scores of an epoch.
func epochLine(e train.EpochReport, supervision string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "epoch %d/%d  loss %.4f", e.Epoch, e.Epochs, e.Loss)
	s := e.Score
	if s != nil && s.Detection != nil && supervision == train.Detection {
		fmt.Fprintf(&b, "  AP %.4f  accuracy %.4f", s.Detection.AP, s.Detection.Accuracy)
	} else if s != nil {
		fmt.Fprintf(&b, "  IoU %.2f %%  F1 %.4f  AP %.4f", s.IoU, s.F1, s.AP)
		if s.Pictures > s.Manipulated {
			fmt.Fprintf(&b, "  flagged %.1f %%", 100*s.Flagged)
		}
	}
	if e.Best {
		b.WriteString("  best")
	}
	fmt.Fprintf(&b, "  (%s", durationText(e.Elapsed))
	if e.Left > 0 {
		fmt.Fprintf(&b, ", %s left", durationText(e.Left))
	}
	b.WriteByte(')')
	return b.String()
}
