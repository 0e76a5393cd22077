package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/study"
	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/train"
)

// studyOptions are the flags of "declip study".
type studyOptions struct {
	file                           study.File // but for Train
	training                       trainOptions
	data, tests, models, backbones []string
	bootstrap, samples             int
	plan                           bool
	fleet                          fleetOptions
}

// AddFlags declares the flags with their defaults.
func (o *studyOptions) AddFlags(f *pflag.FlagSet) {
	s := &o.file
	c := &o.training.config
	*c = train.DefaultConfig()
	section(f, "Study", func(f *pflag.FlagSet) {
		f.StringVarP(&s.Out, "out", "o", "", "`directory` for the models, scores and report; an existing study is continued")
		f.BoolVar(&o.plan, "plan", false, "print the work to do and stop")
		f.StringVar(&s.Title, "title", "", "title of the report")
		f.StringVar(&s.Note, "note", "", "note at the top of the report")
		f.IntVar(&o.samples, "samples", 3, "pictures of each test set in the report")
	})
	section(f, "Grid", func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.data, "data", nil, "`NAME=DATA`: a data set with splits train, valid and test, for training and testing; repeatable")
		f.StringArrayVar(&o.tests, "test", nil, "`NAME=DATA`: a data set for testing only (its split test if it has splits); repeatable")
		f.StringArrayVarP(&o.models, "model", "m", nil, "`NAME=MODEL`: a trained model, instead of training one; it counts as trained on the data set of the same name; repeatable")
		f.StringSliceVar(&s.Layers, "layers", nil, "layers to compare, such as layer8,layer20 or layer0..layer23")
		f.StringSliceVar(&s.Decoders, "decoders", nil, "decoders to compare, such as linear,conv-4,conv-20")
		f.StringArrayVar(&o.backbones, "compare", nil, "`[NAME=]ARCH[:LAYER]`: a backbone to compare, such as RN50:layer3; repeatable")
		f.StringSliceVar(&s.Perturb, "perturb", nil, "perturbations of the test pictures, such as jpeg:75,blur:1,resize:0.5,noise:5 (default: several of each kind)")
	})
	section(f, "Scores", func(f *pflag.FlagSet) {
		f.IntVar(&s.Evaluation.Limit, "limit", 0, "test on at most N pictures of each set (default: all)")
		addThresholdFlag(f, &s.Evaluation.Threshold)
		f.IntVar(&o.bootstrap, "bootstrap", 1000, "bootstrap samples for the 95 % confidence intervals; 0: no intervals")
	})
	o.addTraining(f)
	o.fleet.AddFlags(f)
}

// addTraining declares how the models are trained: the flags of "declip train" that apply to a
// single training.
func (o *studyOptions) addTraining(f *pflag.FlagSet) {
	c := &o.training.config
	section(f, "Training", func(f *pflag.FlagSet) {
		addEpochFlags(f, c)
		f.StringVar(&c.Supervision, "supervision", c.Supervision, supervisionUsage)
		f.BoolVar(&c.SkipBad, "skip-bad", false, skipBadUsage)
	})
	section(f, "Network", func(f *pflag.FlagSet) {
		addNetworkFlags(f, c)
		f.StringVar(&c.Backbone, "backbone", "", backboneUsage)
		f.BoolVar(&c.Spec.Frozen, "freeze-backbone", false, freezeUsage)
		f.BoolVar(&c.FineTune, "fine-tune", false, "also train the backbones of --clip")
	})
	section(f, "Optimizer", func(f *pflag.FlagSet) { addOptimizerFlags(f, c) })
	section(f, "Examples and augmentation", func(f *pflag.FlagSet) { addExampleFlags(f, c) })
	section(f, "Engine and cache", func(f *pflag.FlagSet) {
		addEngineFlags(f, &c.Device, &c.Threads)
		o.training.addCacheFlags(f)
	})
}

// studyHelp is the long help of "declip study".
const studyHelp = `Train models on several data sets, test each model on all of them, and write a
report: one HTML file with tables, figures, pictures and a summary in words, and
next to it every table and figure as CSV, JSON, SVG and PNG.

Kinds of study:
  cross-generator  every training set against every test set
  layers           the layers of a backbone
  decoders         several decoders on the same features
  backbones        several backbones
  robustness       compressed, blurred, resized and noisy test pictures
  figure2          trained models side by side on the same pictures, with their maps

A study is a YAML file, whose keys are described in docs/study.md, or is given by
flags. A data set is named as for "declip train --data" and has the splits train,
valid (optional) and test.

Running a study again continues it after an interruption. After a change, only
the results that depend on the change are computed again. Failures are reported
as missing results, and the rest of the study continues.

With --jobs or --nats, trainings and tests are jobs. A worker that dies, this
process included, costs at most two minutes of a training: the next one continues
from the last checkpoint. The results are the same bits. With --nats, the workers
are those of "declip worker --train".`

func (a *app) newStudy() *cobra.Command {
	var o studyOptions
	cmd := &cobra.Command{
		Use:   "study FILE.yaml | study KIND --data NAME=DATA ... --out DIR",
		Short: "Run a grid of trainings and tests, and write a report",
		Long:  studyHelp,
		Example: `  declip study study.yaml --plan
  declip study study.yaml
  declip study cross-generator --data splice=forged/splice --data inpaint=forged/inpaint --out study1 --epochs 20
  declip study layers --layers layer0..layer23 --arch ViT-L/14 --decoder linear --data lama=sets/lama --data ldm=sets/ldm --out study2
  declip study robustness --model lite=lite --test forged=forged/test --out study3
  declip study figure2 --model lite=lite --model mine=run1/best.safetensors --test forged=forged/test --out study4`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := o.study(cmd, args)
			if err != nil {
				return err
			}
			if err := o.fleet.check(cmd); err != nil {
				return err
			}
			return a.runStudy(cmd, f, o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

// study reads the study from its file or from the flags.
func (o *studyOptions) study(cmd *cobra.Command, args []string) (study.File, error) {
	if len(args) != 1 {
		return study.File{}, usagef(cmd, "got %s, expected the file of a study or one of the kinds %s", plural(len(args), "argument"), strings.Join(study.Kinds, ", "))
	}
	if err := checkThreads(cmd, o.training.config.Threads); err != nil {
		return study.File{}, err
	}
	if !slices.Contains(study.Kinds, args[0]) {
		return o.fromFile(cmd, args[0])
	}
	if err := o.training.settleCache(cmd); err != nil {
		return study.File{}, err
	}
	o.training.suit(cmd.Flags())
	f := o.file
	f.Kind, f.Train = args[0], o.training.config
	f.Cache = study.Cache{Dir: f.Train.Cache.Dir, Off: o.training.noCache}
	f.Network, f.Train.Spec = f.Train.Spec, network.Spec{}
	f.Evaluation.Bootstrap, f.Evaluation.Samples = o.bootstrap, o.samples
	f.Evaluation.Clip = f.Train.BackboneFiles
	if err := o.readSets(cmd, &f); err != nil {
		return study.File{}, err
	}
	if err := f.Validate(); err != nil {
		return study.File{}, usagef(cmd, "%w", err)
	}
	return f, nil
}

// fromFile reads the file of a study. Only flags that say where and how it runs may be added.
func (o *studyOptions) fromFile(cmd *cobra.Command, path string) (study.File, error) {
	allowed := append(o.fleet.flags(), "out", "plan", "device", "threads", "ort-lib", "help")
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && !slices.Contains(allowed, f.Name) {
			err = usagef(cmd, "--%s cannot be combined with a file: set it in %s", f.Name, path)
		}
	})
	if err != nil {
		return study.File{}, err
	}
	f, err := study.Read(path)
	if err != nil {
		return study.File{}, err
	}
	if o.file.Out != "" {
		f.Out = o.file.Out
	}
	if err := f.Validate(); err != nil {
		return study.File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// readSets reads the flags of the form NAME=VALUE.
func (o *studyOptions) readSets(cmd *cobra.Command, f *study.File) error {
	named := func(flag, text string) (name, value string, err error) {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return "", "", usagef(cmd, "--%s %s: expected NAME=...", flag, text)
		}
		return name, value, nil
	}
	for _, text := range o.data {
		name, dir, err := named("data", text)
		if err != nil {
			return err
		}
		f.Data = append(f.Data, study.Set{Name: name, Data: dir})
	}
	for _, text := range o.tests {
		name, dir, err := named("test", text)
		if err != nil {
			return err
		}
		f.Tests = append(f.Tests, study.Set{Name: name, Test: dir})
	}
	for _, text := range o.models {
		name, file, err := named("model", text)
		if err != nil {
			return err
		}
		f.Models = append(f.Models, study.Model{Name: name, File: file})
	}
	for _, text := range o.backbones {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			name, rest = text, text
		}
		arch, layer, _ := strings.Cut(rest, ":")
		f.Backbones = append(f.Backbones, study.Backbone{Name: strings.ReplaceAll(name, ":", " "), Arch: arch, Layer: layer})
	}
	return nil
}

func (a *app) runStudy(cmd *cobra.Command, f study.File, o studyOptions) error {
	p, err := study.NewPlan(cmd.Context(), f)
	if err != nil {
		return err
	}
	for _, text := range p.Notices() {
		a.notice(text)
	}
	if err := a.printPlan(p); err != nil || o.plan {
		return err
	}
	watch := &studyProgress{app: a, bar: &progress{}}
	defer func() { watch.bar.finish() }()
	options := study.Options{Library: a.library, Device: o.training.config.Device, Threads: o.training.config.Threads,
		Program: version(), Versions: []report.Option{{Name: "declip", Value: version()}}, Events: watch.events()}
	err = a.doStudy(cmd.Context(), p, options, o.fleet)
	watch.bar.finish()
	if err != nil {
		if cmd.Context().Err() != nil {
			fmt.Fprintln(a.stderr, "declip: interrupted; the same command continues the study")
			return errReported
		}
		return err
	}
	return a.studyOutcome(p)
}
