package cli

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip"
	"github.com/declip/declip/internal/engine"
	"github.com/declip/declip/internal/zoo"
)

// localizeOptions are the flags of "declip localize".
type localizeOptions struct {
	model     string
	out       string
	json      bool
	npy       bool
	threshold float64
	maxPixels int64
	device    string
	threads   int
}

// AddFlags declares the flags with their defaults.
func (o *localizeOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.model, "model", "m", zoo.Default, "model: a built-in name, a file, or a name in the models folder")
	f.StringVarP(&o.out, "out", "o", "declip-output", "folder for the results; made if need be")
	f.BoolVar(&o.json, "json", false, "print one JSON object a line instead of text")
	f.BoolVar(&o.npy, "npy", false, "also write the network's own output (probabilities, float32) as NumPy file")
	f.Float64Var(&o.threshold, "threshold", declip.DefaultThreshold, "probability above which a pixel counts as manipulated")
	f.Int64Var(&o.maxPixels, "max-pixels", declip.DefaultMaxPixels, "refuse larger pictures (width times height) by their header")
	addEngineFlags(f, &o.device, &o.threads)
}

// addEngineFlags declares what the commands that run a network share.
func addEngineFlags(f *pflag.FlagSet, device *string, threads *int) {
	f.StringVar(device, "device", "auto", "what runs the network: auto, cpu, cuda:N")
	f.IntVar(threads, "threads", 0, "threads for the network (default: as many as there are cores)")
}

// checkThreads refuses what the engine would.
func checkThreads(cmd *cobra.Command, threads int) error {
	if most := engine.MaxThreads(); threads < 0 || threads > most {
		return usagef(cmd, "--threads %d: expected 0 to %d", threads, most)
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
	return checkThreads(cmd, o.threads)
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

A picture that cannot be read is reported and the others go on; the exit code is
then 1.`,
		Example: `  declip localize photo.jpg
  declip localize --json -o maps photos/ > results.jsonl`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef(cmd, "no picture or folder is given")
			case slices.Contains(args, ""):
				return usagef(cmd, "an empty path is given")
			}
			return nil
		},
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
	inputs := collect(paths, o.out)
	if err := protectInputs(inputs, o.out); err != nil {
		return err
	}
	model, err := declip.Open(o.model, declip.Options{
		Library: a.library, Device: o.device, Threads: o.threads, Threshold: o.threshold, MaxPixels: o.maxPixels,
	})
	if err != nil {
		return err
	}
	defer model.Close()
	if err := writableFolder(o.out); err != nil {
		return err
	}

	bar := a.newProgress(len(inputs), "localizing")
	defer bar.finish()
	reports := reporter(a.newTextReporter(bar))
	if o.json {
		reports = a.newJSONReporter(bar)
	}
	p := pipeline{model: model, options: o, reports: reports, bar: bar}
	failed, err := p.run(cmd.Context(), inputs)
	bar.finish()
	switch {
	case err != nil:
		return err
	case failed > 0 && len(inputs) > 1:
		fmt.Fprintf(a.stderr, "declip: %d of %d failed\n", failed, len(inputs))
	}
	if failed > 0 {
		return errReported
	}
	return nil
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
