package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/picture"
)

// localizeOptions are the flags of "declip localize".
type localizeOptions struct {
	modelOptions
	out       string
	json      bool
	npy       bool
	each      bool
	batch     int
	threshold float64
	maxPixels int64
}

// AddFlags declares the flags with their defaults.
func (o *localizeOptions) AddFlags(f *pflag.FlagSet) {
	o.modelOptions.AddFlags(f)
	f.StringVarP(&o.out, "out", "o", "declip-output", "`directory` for the results, created if needed")
	f.BoolVar(&o.json, "json", false, "print one JSON object per line instead of text")
	f.BoolVar(&o.npy, "npy", false, "also write the network's output (probabilities, float32) as a NumPy file")
	f.BoolVar(&o.each, "each", false, "also write the results of each model, as STEM.MODEL.prob.png and so on")
	addBatchFlag(f, &o.batch)
	addThresholdFlag(f, &o.threshold)
	addMaxPixelsFlag(f, &o.maxPixels, localize.DefaultMaxPixels)
}

func addBatchFlag(f *pflag.FlagSet, batch *int) {
	f.IntVar(batch, "batch-size", 1, "pictures that go through the network together; more need more memory")
	oldSpelling(f, "batch", "batch-size")
}

func addThresholdFlag(f *pflag.FlagSet, threshold *float64) {
	f.Float64Var(threshold, "threshold", localize.DefaultThreshold, "probability above which a pixel counts as manipulated")
}

func addMaxPixelsFlag(f *pflag.FlagSet, most *int64, value int64) {
	f.Int64Var(most, "max-pixels", value, "refuse pictures with more pixels (width times height), judging by their header")
}

func checkBatch(cmd *cobra.Command, batch int) error {
	if batch < 1 || batch > maxBatch {
		return usagef(cmd, "--batch-size %d: expected 1 to %d", batch, maxBatch)
	}
	return nil
}

func checkThreshold(cmd *cobra.Command, threshold float64) error {
	if !(threshold > 0 && threshold < 1) {
		return usagef(cmd, "--threshold %g: expected a number between 0 and 1, both excluded", threshold)
	}
	return nil
}

// checkOutput checks what all commands share that write files for each picture.
func checkOutput(cmd *cobra.Command, out string, maxPixels int64) error {
	switch {
	case maxPixels <= 0:
		return usagef(cmd, "--max-pixels %d: expected at least 1", maxPixels)
	case out == "":
		return usagef(cmd, "--out \"\": expected a directory")
	}
	return nil
}

func (o *localizeOptions) check(cmd *cobra.Command) error {
	return cmp.Or(
		checkThreshold(cmd, o.threshold),
		checkOutput(cmd, o.out, o.maxPixels),
		checkBatch(cmd, o.batch),
		o.modelOptions.check(cmd),
	)
}

// somePaths refuses a command line without the path of a picture or directory.
func somePaths(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usagef(cmd, "no picture or directory is given")
	case slices.Contains(args, ""):
		return usagef(cmd, "an empty path is given")
	}
	return nil
}

// localizeHelp is the long help of "declip localize".
const localizeHelp = `Compute, for every pixel of every picture, the probability that it was
manipulated. A PATH is a picture (JPEG, PNG, WebP, HEIC, AVIF, JPEG 2000,
JPEG XL, TIFF, BMP, PNM, or GIF, of which the first frame is used), or a directory, which is searched
recursively. The PATH "-" is a picture on standard input, whose results are
named stdin.

For a picture STEM.jpg the output directory (-o, by default declip-output)
receives

  STEM.prob.png     the probability, scaled to 0 to 255, at the picture's size
  STEM.mask.png     255 where the probability exceeds the threshold, else 0
  STEM.overlay.png  a heat map over the picture, with the outline of the mask
  STEM.confidence.png  with a model that says where its map is reliable (trufor):
                    0 to 255 for a confidence of 0 to 1
  STEM.npy          with --npy: the network's output, float32

A second picture with the same STEM is named STEM-EXT, a third one STEM-EXT-2.
All maps have the orientation of the stored pixels: an EXIF orientation is
reported but not applied.

The model (-m) is built in, a file, or a name in the models directory: a
checkpoint of "declip train", or one of the published DeCLIP files. The
architecture is detected from the tensors; --arch, --layer and --decoder
override it for all models. A decoder without its backbones, such as the
published fusion, needs the CLIP files: name them with --clip, or put them into
the models directory under their names (ViT-L/14, RN50).

With several -m the result is the mean of the models' probabilities, and models
with the same backbone share one pass through it. The mean is computed at the
size of the networks' output where they have a fixed one, as the published ones
do (STEM.npy is then [256, 256]), and otherwise at the picture's size. --each
also writes the results of each model; MODEL is the file's name without its
extension.

--batch-size N runs N pictures through the network at once. Models that run at
full resolution, such as the built-in one, still process one picture at a time.
A batch is smaller when its pictures have more than 12 megapixels each on
average. Results are in the order of the pictures. They depend on the batch size
only in the last bits (differences of about one millionth).

A model that cannot be used is reported before any picture is read. A picture
that fails is reported and the others are still processed; the exit code is
then 1.`

func (a *app) newLocalize() *cobra.Command {
	var o localizeOptions
	cmd := &cobra.Command{
		Use:   "localize [flags] PATH...",
		Short: "Show where pictures were manipulated",
		Long:  localizeHelp,
		Example: `  declip localize photo.jpg
  declip localize --json -o maps photos/ > results.jsonl
  curl -s https://example.org/photo.jpg | declip localize -
  declip localize -m ViT_layer20_conv-20_ldm.pth -m ViT_layer20_conv-20_lama.pth --each photo.jpg
  declip localize -m declip-fusion-ldm --clip ViT-L-14.pt --clip RN50.pt photo.jpg`,
		Args: somePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.runLocalize(cmd, o, args)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runLocalize(cmd *cobra.Command, o localizeOptions, paths []string) error {
	saveMemory()
	write := resultWriter{out: o.out, npy: o.npy}
	if o.each {
		names, err := models.Alone(o.models)
		if err != nil {
			return err
		}
		write.labels = modelLabels(names)
	}
	inputs, leftOut := collect(paths, o.out)
	for _, l := range leftOut {
		a.notice(l.String())
	}
	nameResults(inputs, write.suffixes())
	if err := protectInputs(inputs, o.out, write.suffixes()); err != nil {
		return err
	}
	model, err := a.open(cmd, o.modelOptions, localize.Options{Threshold: o.threshold, Each: o.each})
	if err != nil {
		return err
	}
	defer model.Close()
	if err := writableDir(o.out); err != nil {
		return err
	}
	bar := a.newProgress(len(inputs), "localizing")
	defer bar.finish()
	p := pipeline[*localized]{
		limits: picture.Limits{MaxPixels: o.maxPixels, Coefficients: model.ReadsCoefficients()}, batch: o.batch, bar: bar,
		process: localizeWith(model), write: write.write, report: a.textReporter(bar),
	}
	if o.json {
		p.report = a.jsonReporter(bar)
		for _, l := range leftOut {
			if err := printJSON(bar, a.stdout, jsonLeftOut{l.dir, l.pictures, l.files.Counts()}); err != nil {
				return err
			}
		}
	}
	failed, err := p.run(cmd.Context(), inputs)
	bar.finish()
	if err != nil {
		return err
	}
	return a.summarize(failed, len(inputs))
}

// localizeWith runs a model in a pipeline.
func localizeWith(model *localize.Model) func(context.Context, []*picture.Picture) ([]*localized, error) {
	return func(ctx context.Context, pictures []*picture.Picture) ([]*localized, error) {
		results, err := model.LocalizeBatch(ctx, pictures)
		list := make([]*localized, len(results))
		for i, r := range results {
			list[i] = &localized{result: r}
		}
		return list, err
	}
}

// summarize prints how many inputs failed; each was reported before.
func (a *app) summarize(failed, inputs int) error {
	if failed == 0 {
		return nil
	}
	if inputs > 1 {
		a.say("%d of %d failed\n", failed, inputs)
	}
	return errReported
}

// saveMemory makes the garbage collector run early. The garbage is a few arrays of many megabytes
// without pointers, so collecting costs next to nothing, and the peak of a 12-megapixel picture is
// about 80 MB lower. $GOGC takes precedence.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
}

// writableDir creates the directory if needed and checks that files can be written to it, before
// any work is done in vain.
func writableDir(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("output directory: %w", err)
	}
	f, err := os.CreateTemp(dir, ".declip-*.tmp")
	if err != nil {
		return fmt.Errorf("output directory %s is not writable: %w", dir, err)
	}
	f.Close()
	return os.Remove(f.Name())
}
