package cli

import (
	"cmp"
	"fmt"
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
	pristine  []string
	json      bool
	csv       string
	force     bool
	threshold float64
	limit     int
	batch     int
	maps      string
	mapScale  int
	perturb   []string
	bootstrap int
	seed      uint64

	perturbations []evaluate.Perturbation
}

// maxBootstrap limits the samples: more take long and change no digit that is printed.
const maxBootstrap = 1_000_000

// AddFlags declares the flags with their defaults.
func (o *evalOptions) AddFlags(f *pflag.FlagSet) {
	section(f, "Pictures", func(f *pflag.FlagSet) {
		addDataFlag(f, &o.data)
		o.dataOptions.AddFlags(f)
		addPristineFlag(f, &o.pristine)
		addLimitFlag(f, &o.limit)
		f.StringSliceVar(&o.perturb, "perturb", nil,
			"also measure on perturbed pictures, such as jpeg:75,blur:1.0,resize:0.5,noise:5 (quality; sigma in pixels; factor; sigma in levels)")
	})
	section(f, "Model", func(f *pflag.FlagSet) {
		o.modelOptions.AddFlags(f)
		addBatchFlag(f, &o.batch)
		f.StringVar(&o.maps, "predictions", "", "`directory` of maps that another program made, to score instead of running a model")
		f.IntVar(&o.mapScale, "prediction-scale", 0, "value of --predictions in whole numbers that means probability 1 (default: 255 for 8 bits, 65535 for 16)")
	})
	section(f, "Scores", func(f *pflag.FlagSet) {
		addThresholdFlag(f, &o.threshold)
		f.IntVar(&o.bootstrap, "bootstrap", 1000, "bootstrap samples for the 95 % confidence intervals; 0: no intervals")
		f.Uint64Var(&o.seed, "seed", 1, "seed of the noise and the bootstrap")
	})
	section(f, "Output", func(f *pflag.FlagSet) {
		f.BoolVar(&o.json, "json", false, "print one JSON object instead of text")
		f.StringVar(&o.csv, "csv", "", "also write a `file` with one row per picture, model and perturbation")
		addForceFlag(f, &o.force)
	})
}

func (o *evalOptions) check(cmd *cobra.Command) error {
	switch {
	case len(o.data) == 0 && len(o.pristine) == 0:
		return usagef(cmd, "neither --data nor --pristine is given")
	case o.limit < 0:
		return usagef(cmd, "--limit %d: expected at least 0", o.limit)
	case o.bootstrap < 0 || o.bootstrap > maxBootstrap:
		return usagef(cmd, "--bootstrap %d: expected 0 to %d", o.bootstrap, maxBootstrap)
	}
	if o.mapScale < 0 || o.mapScale > 65535 {
		return usagef(cmd, "--prediction-scale %d: expected 1 to 65535", o.mapScale)
	}
	if o.maps != "" {
		for _, flag := range []string{"model", "perturb"} {
			if cmd.Flags().Changed(flag) {
				return usagef(cmd, "--predictions cannot be combined with --%s: no model runs", flag)
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
	return cmp.Or(checkThreshold(cmd, o.threshold), checkBatch(cmd, o.batch), o.dataOptions.check(cmd), o.modelOptions.check(cmd))
}

// evalHelp is the long help of "declip eval".
const evalHelp = `Run models on pictures with known masks and print their average scores.

IoU (percent), F1 at the threshold and at its best, average precision (AP) and
the area under the ROC curve (AUC) of the pixels are computed for each
manipulated picture at full resolution and then averaged. Of untouched pictures,
the share that is flagged is printed; a picture is flagged when more than 1 % of
its pixels exceed the threshold. If there are pictures of both kinds, they are
also classified as wholes by their mean probability. Pictures for which a score
is undefined are left out of its average and counted with the reason. Every
average has a 95 % confidence interval from --bootstrap samples of the pictures.

Models are chosen as for "declip localize". Several models share their
backbone's work. Each one is measured, and so is the mean of their
probabilities.

--perturb changes the pictures before the models see them, one perturbation at a
time; the maps are scaled back to the size of the masks.

--predictions DIR scores the maps of another program: NAME.npy (probabilities,
[H, W]) or NAME.png (gray, 8 or 16 bits) for a picture NAME.jpg, in DIR or below
it, in directories named as those of the picture. Maps of another size are
scaled to the mask's size bilinearly.

` + dataHelp

func (a *app) newEval() *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:   "eval --data DIR [flags]",
		Short: "Measure models on pictures with known masks",
		Long:  evalHelp,
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
	if o.csv != "" { // before the work, not after it
		if err := checkNew(o.csv, o.force); err != nil {
			return fmt.Errorf("--csv: %w", err)
		}
	}
	source, err := openSources(cmd.Context(), o.data, o.pristine, o.limit, o.dataOptions.into(evaluate.DataSetOptions(), a.notice))
	if err != nil {
		return err
	}
	p, model, err := a.openPredictor(cmd, o, source.Source)
	if err != nil {
		return err
	}
	if model != nil {
		defer model.Close()
	}
	bar := a.newProgress(source.Len(), "evaluating")
	defer bar.finish()
	options := evaluate.DefaultOptions()
	options.Threshold, options.Batch, options.Perturb, options.Seed = o.threshold, o.batch, o.perturbations, o.seed
	options.Done = func(done, _ int) { bar.set(done) }
	runs, err := evaluate.Run(cmd.Context(), source.Source, p, options)
	if err != nil {
		return err
	}
	bar.finish()
	table := newEvaluation(o, source.sets, runs, len(p.Models()))
	if table.Provenance, err = evaluated(model); err != nil {
		return err
	}
	if o.csv != "" {
		if err := writeScores(o.csv, runs, table.Provenance); err != nil {
			return err
		}
	}
	if err := a.printEvaluation(o, table); err != nil {
		return err
	}
	if len(table.Failed) == 0 {
		return table.anyScore()
	}
	for _, f := range table.Failed {
		a.say("%s\n", f.Error)
	}
	return errReported
}

// evaluated says what made the scores of a model, or of maps if it is nil.
func evaluated(model *localize.Model) (*madeBy, error) {
	if model == nil {
		return &madeBy{Program: version()}, nil
	}
	made, err := model.Provenance()
	if err != nil {
		return nil, err
	}
	return &madeBy{made.Program, made.Engine, made.Weights}, nil
}

// openPredictor opens the models or maps to measure. The caller closes the model, which is nil for
// maps.
func (a *app) openPredictor(cmd *cobra.Command, o evalOptions, source dataset.Source) (p evaluate.Predictor, model *localize.Model, err error) {
	if o.maps != "" {
		p, err = evaluate.Maps(cmd.Context(), o.maps, source, float32(o.mapScale))
		return p, nil, err
	}
	if model, err = a.open(cmd, o.modelOptions, localize.Options{Threshold: o.threshold, Each: len(o.models) > 1}); err != nil {
		return nil, nil, err
	}
	return evaluate.Models(model, o.models...), model, nil
}

// dataNames is the name of several data sets together in results.
func dataNames(names []string) string { return strings.Join(names, " + ") }
