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
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/internal/train/features"
)

// trainOptions are the flags of "declip train".
type trainOptions struct {
	config    train.Config
	noCache   bool
	cacheType string
	sets      dataOptions
}

// AddFlags declares the flags with their defaults.
func (o *trainOptions) AddFlags(f *pflag.FlagSet) {
	c := &o.config
	*c = train.DefaultConfig()
	f.StringVar(&c.Data, "data", "", "data set to train on: a folder or list, as DIR or DIR:split")
	o.sets.addFlags(f)
	f.StringVar(&c.Valid, "valid", "", "data set to validate on after each epoch; without one the best checkpoint is the latest")
	f.StringVar(&c.Out, "out", "", "folder for best.safetensors, last.safetensors and log.jsonl")
	f.StringVar(&c.Supervision, "supervision", c.Supervision, "localization: by masks; detection: by whether a picture is manipulated at all")
	f.IntVar(&c.Epochs, "epochs", c.Epochs, "passes over the data at most")
	f.IntVar(&c.BatchSize, "batch-size", c.BatchSize, "pictures in a step")
	f.Uint64Var(&c.Seed, "seed", 1, "what weights and random choices start from")
	f.BoolVar(&c.Resume, "resume", false, "go on from last.safetensors in the output folder, if it is there")
	f.StringVar(&c.Init, "init", "", "checkpoint whose network and weights to start from, in place of new ones")
	f.StringVar(&c.Backbone, "backbone", "", "checkpoint whose backbone's weights a new network starts with")
	f.BoolVar(&c.Spec.Frozen, "freeze-backbone", false, "train the decoder only (xceptionnet, with --clip, and xceptionnet-lite; CLIP's backbones are frozen anyway)")
	f.BoolVar(&c.FineTune, "fine-tune", false, "train the backbones of --clip, or of --init's model, too; what that costs is said at the start")
	f.BoolVar(&c.Thaw, "thaw-backbone", false, "with --init: train a backbone that was frozen until now")
	f.BoolVar(&c.ThawContext, "thaw-context", false, "with --init: train xceptionnet-lite's context decoder too, and keep its trunk as it is")
	f.DurationVar(&c.MaxTime, "max-time", 0, "end in good order after this long, as 90m (default: no limit)")
	f.IntVar(&c.EpochPictures, "epoch-pictures", c.EpochPictures, "pictures in an epoch (default: all of the data)")
	f.IntVar(&c.ValidLimit, "valid-limit", c.ValidLimit, "validate on at most so many pictures (default: all)")
	f.StringVar(&c.BestBy, "best-by", "", "what the best checkpoint goes by: iou, f1, ap, balanced (default: iou; in detection ap, over pictures)")
	f.Int64Var(&c.SaveSteps, "save-steps", c.SaveSteps, "write last.safetensors every so many steps (default: after each epoch)")
	f.BoolVar(&c.SkipBad, "skip-bad", false, "leave out pictures that cannot be read, in place of ending; each is named")
	f.BoolVar(&c.NoTensorBoard, "no-tensorboard", false, "write no event files for TensorBoard into the output folder")
	f.IntVar(&c.Workers, "workers", c.Workers, "pictures prepared at once (default: as many as there are cores)")
	addEngineFlags(f, &c.Device, &c.Threads)
	addNetworkFlags(f, c)
	addOptimizerFlags(f, c)
	addExampleFlags(f, c)
	o.addCacheFlags(f)
}

// addCacheFlags declares what is kept of frozen backbones' features.
func (o *trainOptions) addCacheFlags(f *pflag.FlagSet) {
	c := &o.config.Cache
	f.StringVar(&c.Dir, "cache", "", "folder where frozen backbones' features are kept (default: declip/features in the user's cache folder)")
	f.BoolVar(&o.noCache, "no-cache", false, "run the backbones in every epoch")
	c.Size = features.DefaultSize
	f.Var(byteCount{&c.Size}, "cache-size", "most that the cache may hold, as 500MB; when it is full, what no training uses makes room")
	f.StringVar(&o.cacheType, "cache-dtype", "fp32", "fp32 or fp16: features are rounded to half precision, and take half the space")
	f.IntVar(&c.Draws, "cache-draws", 0, "augmentations made of each picture, to be used in turn; 0: a new one each time, not kept")
}

// settleCache completes the options of the cache.
func (o *trainOptions) settleCache(cmd *cobra.Command) error {
	c := &o.config.Cache
	switch o.cacheType {
	case "fp16":
		c.Half = true
	case "fp32":
	default:
		return usagef(cmd, "--cache-dtype %q: want fp32 or fp16", o.cacheType)
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

// addNetworkFlags declares what network is trained.
func addNetworkFlags(f *pflag.FlagSet, c *train.Config) {
	s := &c.Spec
	f.StringVar(&s.Arch, "arch", s.Arch, "backbone: ViT-L/14, RN50, \"ViT-L/14,RN50\" or another of CLIP's; xceptionnet, xceptionnet-lite")
	f.StringVar(&s.Layer, "layer", s.Layer, "layer of the backbone that the decoder reads, as layer20 (default: the last)")
	f.StringArrayVar(&c.BackboneFiles, "clip", nil, "file with a backbone; repeatable (default: the models folder)")
	f.StringVar(&s.Decoder, "decoder", s.Decoder, "decoder: linear, attention, conv-4, conv-12, conv-20; of xceptionnet-lite: context, pyramid (default: linear, context)")
	f.IntSliceVar(&s.Widths, "widths", nil, "channels of a conv decoder's four stages; xceptionnet-lite: of conv1, conv2, block1, block2")
	f.IntVar(&s.Context, "context", 0, "xceptionnet-lite: channels of the context decoder")
	f.IntVar(&s.Pyramid, "pyramid", 0, "xceptionnet-lite: channels of the pyramid decoder")
	f.IntSliceVar(&s.Dilations, "dilations", nil, "xceptionnet-lite: dilations of the decoder's blocks")
	f.BoolVar(&s.Residual, "residual", false, "xceptionnet-lite: add fixed high-pass channels to the input")
	f.IntVar(&s.DCT, "dct", 0, "xceptionnet-lite: channels of the look at JPEG's blocks; 0: none")
	f.StringVar(&s.Pool, "pool", "", "xceptionnet-lite: how blocks halve a map: max or mean")
}

// addOptimizerFlags declares how the weights are moved.
func addOptimizerFlags(f *pflag.FlagSet, c *train.Config) {
	f.StringVar(&c.Optimizer, "optimizer", c.Optimizer, "adamw or sgd")
	f.Float64Var(&c.LR, "lr", c.LR, "learning rate")
	f.Float64Var(&c.WeightDecay, "weight-decay", c.WeightDecay, "weight decay")
	f.Float64Var(&c.Clip, "clip-norm", c.Clip, "largest norm of the gradient; 0: no limit")
	f.StringVar(&c.Schedule, "schedule", c.Schedule, "of the learning rate: constant, cosine, plateau")
	f.Int64Var(&c.Warmup, "warmup", c.Warmup, "steps over which the rate rises, with the cosine schedule")
	f.Float64Var(&c.Average, "average", c.Average, "decay of the running average of the weights; 0: none")
	f.Float64Var(&c.Loss.Positive, "loss-positive", c.Loss.Positive, "weight of manipulated pixels in the cross-entropy")
	f.Float64Var(&c.Loss.Dice, "loss-dice", c.Loss.Dice, "weight of the Dice loss beside the cross-entropy")
}

// addExampleFlags declares how pictures become examples.
func addExampleFlags(f *pflag.FlagSet, c *train.Config) {
	f.IntVar(&c.CropSize, "crop-size", c.CropSize, "side of a crop in pixels; xceptionnet-lite (xceptionnet takes the whole picture, resized)")
	f.IntVar(&c.Draws, "draws", c.Draws, "crops made of each decoded picture")
	f.Float64Var(&c.Inside, "inside", c.Inside, "share of the crops of manipulated pictures that hold part of the mask")
	f.StringVar(&c.Augment.Kind, "augment", "none", "published augmentation: none, blur, color_jitter, jpeg_compression, all")
	f.BoolVar(&c.Augment.Turn, "augment-turn", c.Augment.Turn, "flip and turn crops")
	f.Float64Var(&c.Augment.Tone, "augment-tone", c.Augment.Tone, "share with changed brightness and contrast")
	f.Float64Var(&c.Augment.Noise, "augment-noise", c.Augment.Noise, "share with added noise")
	f.Float64Var(&c.Augment.JPEG, "augment-jpeg", c.Augment.JPEG, "share recompressed as JPEG")
	f.Var(&interval{&c.Augment.JPEGLow, &c.Augment.JPEGHigh}, "augment-jpeg-quality", "qualities of --augment-jpeg")
}

func (a *app) newTrain() *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:   "train --data DIR --out DIR",
		Short: "Train a network on pictures with masks",
		Long: `Train a network on pictures and masks, such as "declip forge" makes. The
output folder receives the weights with the best validation score
(best.safetensors), those to resume from (last.safetensors) and log.jsonl. A
trained network is used as a model by its path: declip localize -m FILE.

A training that was interrupted goes on with --resume and the same options; only
--epochs, --max-time and --valid-limit may differ. Without it, a folder that
holds a training already is refused.

The same data, options, seed and threads give the same weights.

` + dataHelp + `

Without a split, "train" is taken of --data and "valid" of --valid, where they
have splits.`,
		Example: `  declip train --data forged --valid forged-valid --out run1 --epochs 20
  declip train --data forged --valid forged-valid --out run1 --epochs 40 --resume`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "data", "out"); err != nil {
				return err
			}
			if err := o.settleCache(cmd); err != nil {
				return err
			}
			if err := o.sets.check(cmd); err != nil {
				return err
			}
			o.config.Reading = o.sets.into(dataset.Options{})
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
		bar = a.newSteps(int(about.Steps))
	}
	c.Hooks.Step = func(s train.StepReport) {
		bar.describe(fmt.Sprintf("epoch %d  loss %.4f  %s left", s.Epoch, s.Loss, durationText(s.Left)))
		bar.set(int(s.Step))
	}
	c.Hooks.Epoch = func(e train.EpochReport) { _ = bar.printf(a.stdout, "%s\n", epochLine(e, c.Supervision)) }
	summary, err := train.Run(ctx, c)
	err = sayResize(err)
	bar.finish()
	if summary.Interrupted {
		fmt.Fprintf(a.stderr, "declip: interrupted after step %d; go on with --resume\n", summary.State.Step)
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

// durationText gives a time to the second, or to the minute where it is long.
func durationText(d time.Duration) string {
	if d < 10*time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// epochLine tells how an epoch went.
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
