package cli

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/localize"
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
	f.StringVarP(&o.out, "out", "o", "declip-output", "folder for the results; made if need be")
	f.BoolVar(&o.json, "json", false, "print one JSON object a line instead of text")
	f.BoolVar(&o.npy, "npy", false, "also write the network's own output (probabilities, float32) as NumPy file")
	f.BoolVar(&o.each, "each", false, "also write each model's own results, as STEM.MODEL.prob.png and so on")
	addBatchFlag(f, &o.batch)
	f.Float64Var(&o.threshold, "threshold", localize.DefaultThreshold, "probability above which a pixel counts as manipulated")
	f.Int64Var(&o.maxPixels, "max-pixels", localize.DefaultMaxPixels, "refuse larger pictures (width times height) by their header")
}

func addBatchFlag(f *pflag.FlagSet, batch *int) {
	f.IntVar(batch, "batch", 1, "pictures that go through the network together; memory grows with it")
}

func checkBatch(cmd *cobra.Command, batch int) error {
	if batch < 1 || batch > maxBatch {
		return usagef(cmd, "--batch %d: expected 1 to %d", batch, maxBatch)
	}
	return nil
}

func (o *localizeOptions) check(cmd *cobra.Command) error {
	switch {
	case !(o.threshold > 0 && o.threshold < 1):
		return usagef(cmd, "--threshold %g: expected a number between 0 and 1, both excluded", o.threshold)
	case o.maxPixels <= 0:
		return usagef(cmd, "--max-pixels %d: expected at least 1", o.maxPixels)
	case o.out == "":
		return usagef(cmd, "--out is empty")
	}
	if err := checkBatch(cmd, o.batch); err != nil {
		return err
	}
	return o.modelOptions.check(cmd)
}

// somePaths refuses a command line without a path of a picture or folder.
func somePaths(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usagef(cmd, "no picture or folder is given")
	case slices.Contains(args, ""):
		return usagef(cmd, "an empty path is given")
	}
	return nil
}

func (a *app) newLocalize() *cobra.Command {
	var o localizeOptions
	cmd := &cobra.Command{
		Use:   "localize [flags] PATH...",
		Short: "Show where pictures were manipulated",
		Long: `Give, for every pixel of every picture, the probability that it was
manipulated. A PATH is a picture (JPEG, PNG, WebP, TIFF, BMP, first frame of a
GIF) or a folder, which is walked.

For a picture STEM.jpg the output folder (-o, by default declip-output in the
current folder) receives

  STEM.prob.png     the probability, 0 to 255, at the picture's own size
  STEM.mask.png     255 where the probability exceeds the threshold, else 0
  STEM.overlay.png  a heat map over the picture, with the mask's outline
  STEM.npy          with --npy: the network's own output, float32

A second picture with the same STEM is named STEM-EXT, a third STEM-EXT-2. All
maps follow the pixels as they are stored: an EXIF orientation is reported, not
applied.

The model (-m) is built in, a file, or a name in the models folder: a checkpoint
of this program, or one of the published DeCLIP files as it is. What such a file
holds is told by its tensors; --arch, --layer and --decoder go before that, for
all models. A decoder alone, as the published fusion's, needs its CLIP files:
--clip, or under their names (ViT-L/14, RN50) in the models folder.

With -m given several times the result is the mean of the models' probabilities,
and models with the same backbone share one pass of it. The mean is taken at the
networks' own size where they have one, as the published ones do ([256, 256] in
STEM.npy), and else at the picture's. With --each, every model's own results are
written too; MODEL in their names is the name of its file without the ending.

--batch takes several pictures through such a network at once; models that look
at a picture's own pixels, as the built-in one, still take one by one. A batch
ends early where its pictures have more than 12 megapixels each on the average.
Results come in the order of the pictures and do not depend on the batch but
for the last bits (differences of about a millionth).

A model that cannot be used is reported before a picture is read. A picture that
cannot be read is reported and the others go on; the exit code is then 1.`,
		Example: `  declip localize photo.jpg
  declip localize --json -o maps photos/ > results.jsonl
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
		write.labels = modelLabels(o.models)
	}
	inputs := collect(paths, o.out)
	nameResults(inputs, write.suffixes())
	if err := protectInputs(inputs, o.out, write.suffixes()); err != nil {
		return err
	}
	model, err := a.open(cmd, o.modelOptions, localize.Options{Threshold: o.threshold, Each: o.each})
	if err != nil {
		return err
	}
	defer model.Close()
	if err := writableFolder(o.out); err != nil {
		return err
	}
	bar := a.newProgress(len(inputs), "localizing")
	defer bar.finish()
	p := pipeline[*localized]{
		maxPixels: o.maxPixels, batch: o.batch, bar: bar,
		process: localizeWith(model), write: write.write, report: a.textReporter(bar),
	}
	if o.json {
		p.report = a.jsonReporter(bar)
	}
	failed, err := p.run(cmd.Context(), inputs)
	bar.finish()
	if err != nil {
		return err
	}
	return a.tell(failed, len(inputs))
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

// tell sums up how many of the inputs failed, each of which was reported.
func (a *app) tell(failed, inputs int) error {
	if failed == 0 {
		return nil
	}
	if inputs > 1 {
		fmt.Fprintf(a.stderr, "declip: %d of %d failed\n", failed, inputs)
	}
	return errReported
}

// saveMemory lets the garbage collector run early: what there is to collect are
// a few arrays of many megabytes without pointers, which costs next to nothing
// and keeps the peak of a 12-megapixel picture some 80 MB lower. $GOGC decides
// where it is set.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
}

// writableFolder makes the folder if need be and makes sure that files can be
// written to it, before any work is done for nothing.
func writableFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("output folder: %w", err)
	}
	f, err := os.CreateTemp(dir, ".declip-*.tmp")
	if err != nil {
		return fmt.Errorf("output folder %s cannot be written to: %w", dir, err)
	}
	f.Close()
	return os.Remove(f.Name())
}
