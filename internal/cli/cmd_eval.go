package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/localize"
)

// evalOptions are the flags of "declip eval".
type evalOptions struct {
	modelOptions
	dataOptions
	data      []string
	pristine  string
	json      bool
	csv       string
	threshold float64
	limit     int
	batch     int
	maps      string
	perturb   []string
	bootstrap int
	seed      uint64

	perturbations []evaluate.Perturbation
}

// maxBootstrap bounds the draws: more take long and change no digit that is shown.
const maxBootstrap = 1_000_000

// AddFlags declares the flags with their defaults.
func (o *evalOptions) AddFlags(f *pflag.FlagSet) {
	o.modelOptions.AddFlags(f)
	f.StringArrayVar(&o.data, "data", nil, "data set: a folder or list, as DIR or DIR:split; repeatable")
	o.dataOptions.AddFlags(f)
	f.StringVar(&o.pristine, "pristine", "", "folder of untouched pictures, counted with empty masks")
	f.BoolVar(&o.json, "json", false, "print one JSON object instead of text")
	f.StringVar(&o.csv, "csv", "", "also write a table with one row a picture, model and perturbation to this file")
	f.Float64Var(&o.threshold, "threshold", localize.DefaultThreshold, "probability above which a pixel counts as manipulated")
	f.IntVar(&o.limit, "limit", 0, "use at most so many pictures of each data set, drawn once for all (default: all)")
	addBatchFlag(f, &o.batch)
	f.StringVar(&o.maps, "predictions", "", "score the maps in this folder, which another program made, instead of running a model")
	f.StringSliceVar(&o.perturb, "perturb", nil,
		"also measure on perturbed pictures, as jpeg:75,blur:1.0,resize:0.5,noise:5 (quality; sigma in pixels; factor; sigma in levels)")
	f.IntVar(&o.bootstrap, "bootstrap", 1000, "draws for the 95 % confidence intervals; 0: none")
	f.Uint64Var(&o.seed, "seed", 1, "what noise and draws start from")
}

func (o *evalOptions) check(cmd *cobra.Command) error {
	switch {
	case len(o.data) == 0 && o.pristine == "":
		return usagef(cmd, "neither --data nor --pristine is given")
	case !(o.threshold > 0 && o.threshold < 1):
		return usagef(cmd, "--threshold %g: expected a number between 0 and 1, both excluded", o.threshold)
	case o.limit < 0:
		return usagef(cmd, "--limit %d: expected 0 or more", o.limit)
	case o.bootstrap < 0 || o.bootstrap > maxBootstrap:
		return usagef(cmd, "--bootstrap %d: expected 0 to %d", o.bootstrap, maxBootstrap)
	}
	if o.maps != "" {
		for _, flag := range []string{"model", "perturb"} {
			if cmd.Flags().Changed(flag) {
				return usagef(cmd, "--predictions can't be combined with --%s: no model is run", flag)
			}
		}
	}
	for _, text := range o.perturb {
		p, err := evaluate.ParsePerturbation(text)
		if err != nil {
			return usagef(cmd, "--perturb: %w", err)
		}
		o.perturbations = append(o.perturbations, p)
	}
	if err := checkBatch(cmd, o.batch); err != nil {
		return err
	}
	if err := o.dataOptions.check(cmd); err != nil {
		return err
	}
	return o.modelOptions.check(cmd)
}

func (a *app) newEval() *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:   "eval --data DIR [flags]",
		Short: "Measure how well a model finds manipulations whose masks are known",
		Long: `Run models over pictures with known masks and average their scores.

IoU (percent), F1 at the threshold and at its best, average precision (AP) and
the area under the ROC curve (AUC) of the pixels are computed for each
manipulated picture at full resolution and then averaged. Of untouched pictures
the share that is flagged is given, that is, has more than 1 % of its pixels over
the threshold. Where there are both, whole pictures are told apart by their mean
probability. What a score is not defined for is left out of its average, and
counted with the reason. Every average comes with the interval that holds it with
95 % confidence, found by drawing the pictures anew --bootstrap times.

Models are chosen as "declip localize" does. Several share their backbone's work;
each is measured for itself, and so is the mean of their probabilities.

--perturb changes the pictures before the models see them, one change at a time;
maps are brought back to the size of the masks.

--predictions DIR scores maps of other programs: NAME.npy (probabilities, [H,W]) or
NAME.png (grey, 8 or 16 bits) for a picture NAME.jpg, in DIR or, below it, in
folders named as those that the picture lies in. Maps of any size are brought to the
mask's bilinearly.

` + dataHelp,
		Example: `  declip eval --data forged
  declip eval -m run1/best.safetensors --data forged --pristine photos/test --json
  declip eval -m declip-vit-ldm -m declip-vit-lama --data dolos:ldm,test --batch 8
  declip eval --predictions maps --data pairs.csv
  declip eval --data forged --perturb jpeg:90,jpeg:75,jpeg:50,resize:0.5`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.runEval(cmd, o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runEval(cmd *cobra.Command, o evalOptions) error {
	if o.csv != "" { // said before the work, not after it
		if err := folderOf(o.csv); err != nil {
			return fmt.Errorf("--csv: %w", err)
		}
	}
	source, sets, err := openSources(cmd.Context(), o.data, o.pristine, o.limit, o.dataOptions.into(dataset.Options{DefaultSplit: "test", Labels: true, Lenient: true}))
	if err != nil {
		return err
	}
	p, done, err := a.openPredictor(cmd, o, source)
	if err != nil {
		return err
	}
	defer done()
	bar := a.newProgress(source.Len(), "evaluating")
	defer bar.finish()
	options := evaluate.DefaultOptions()
	options.Threshold, options.Batch, options.Perturb, options.Seed = o.threshold, o.batch, o.perturbations, o.seed
	options.Done = func(done, _ int) { bar.set(done) }
	runs, err := evaluate.Run(cmd.Context(), source, p, options)
	if err != nil {
		return err
	}
	bar.finish()
	if o.csv != "" {
		if err := writeScores(o.csv, runs); err != nil {
			return err
		}
	}
	table := newEvaluation(o, sets, runs, len(p.Models()))
	if err := a.printEvaluation(o, table); err != nil {
		return err
	}
	if len(table.Failed) == 0 {
		return nil
	}
	for _, f := range table.Failed {
		fmt.Fprintf(a.stderr, "declip: %s\n", f.Error)
	}
	return errReported
}

// openPredictor opens what is measured; done closes it.
func (a *app) openPredictor(cmd *cobra.Command, o evalOptions, source dataset.Source) (p evaluate.Predictor, done func(), err error) {
	if o.maps != "" {
		p, err = evaluate.Maps(o.maps, source)
		return p, func() {}, err
	}
	model, err := a.open(cmd, o.modelOptions, localize.Options{Threshold: o.threshold, Each: len(o.models) > 1})
	if err != nil {
		return nil, nil, err
	}
	return evaluate.Models(model, o.models...), func() { model.Close() }, nil
}

// folderOf refuses a file whose folder is not there.
func folderOf(path string) error {
	folder := filepath.Dir(path)
	switch info, err := os.Stat(folder); {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", folder)
	}
	return nil
}

// dataNames is how the data sets are told in results.
func dataNames(names []string) string { return strings.Join(names, " + ") }
