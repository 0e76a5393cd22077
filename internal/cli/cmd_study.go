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
}

// AddFlags declares the flags with their defaults.
func (o *studyOptions) AddFlags(f *pflag.FlagSet) {
	s := &o.file
	c := &o.training.config
	*c = train.DefaultConfig()
	f.StringVar(&s.Out, "out", "", "folder for the models, scores and the report; a study that is there is gone on with")
	f.BoolVar(&o.plan, "plan", false, "say what there is to do, and do nothing")
	addEngineFlags(f, &c.Device, &c.Threads)
	f.StringArrayVar(&o.data, "data", nil, "NAME=DATA: a data set with splits train, valid and test, trained on and tested on; repeatable")
	f.StringArrayVar(&o.tests, "test", nil, "NAME=DATA: a data set that is tested on only (its split test, where it has splits); repeatable")
	f.StringArrayVar(&o.models, "model", nil, "NAME=MODEL: a trained model, in place of training any; named like a data set, it counts as trained on it; repeatable")
	f.StringVar(&s.Title, "title", "", "title of the report")
	f.StringVar(&s.Note, "note", "", "what else the report is to say at its top")
	f.StringSliceVar(&s.Layers, "layers", nil, "layers to compare, as layer8,layer20 or layer0..layer23")
	f.StringSliceVar(&s.Decoders, "decoders", nil, "decoders to compare, as linear,conv-4,conv-20")
	f.StringArrayVar(&o.backbones, "compare", nil, "[NAME=]ARCH[:LAYER]: a backbone to compare, as RN50:layer3; repeatable")
	f.StringSliceVar(&s.Perturb, "perturb", nil, "treatments of the test pictures, as jpeg:75,blur:1,resize:0.5,noise:5 (default: several of each)")
	f.IntVar(&s.Evaluation.Limit, "limit", 0, "test on at most so many pictures of each set (default: all)")
	f.Float64Var(&s.Evaluation.Threshold, "threshold", 0.5, "probability above which a pixel counts as manipulated")
	f.IntVar(&o.bootstrap, "bootstrap", 1000, "draws for the 95 % intervals; 0: none")
	f.IntVar(&o.samples, "samples", 3, "pictures of each test set that the report shows")
	o.addTraining(f)
}

// addTraining declares how the models are trained: what "declip train" takes, as far as it is one training's own business.
func (o *studyOptions) addTraining(f *pflag.FlagSet) {
	c := &o.training.config
	f.IntVar(&c.Epochs, "epochs", c.Epochs, "passes over the data at most")
	f.IntVar(&c.BatchSize, "batch-size", c.BatchSize, "pictures in a step")
	f.Uint64Var(&c.Seed, "seed", 1, "what weights and random choices start from")
	f.StringVar(&c.Backbone, "backbone", "", "checkpoint whose backbone's weights new networks start with")
	f.BoolVar(&c.Spec.Frozen, "freeze-backbone", false, "train the decoder only (xceptionnet, xceptionnet-lite; CLIP's backbones are frozen anyway)")
	f.DurationVar(&c.MaxTime, "max-time", 0, "end each training in good order after this long, as 90m (default: no limit)")
	f.IntVar(&c.EpochPictures, "epoch-pictures", c.EpochPictures, "pictures in an epoch (default: all of the data)")
	f.IntVar(&c.ValidLimit, "valid-limit", c.ValidLimit, "validate on at most so many pictures (default: all)")
	f.StringVar(&c.BestBy, "best-by", "", "what the best checkpoint goes by: iou, f1, ap, balanced (default: iou; in detection ap, over pictures)")
	f.StringVar(&c.Supervision, "supervision", c.Supervision, "localization: by masks; detection: by whether a picture is manipulated at all")
	f.BoolVar(&c.FineTune, "fine-tune", false, "train the backbones of --clip, too")
	addNetworkFlags(f, c)
	addOptimizerFlags(f, c)
	addExampleFlags(f, c)
	f.BoolVar(&c.SkipBad, "skip-bad", false, "leave out pictures that cannot be read, in place of ending a training; each is named")
	o.training.addCacheFlags(f)
}

func (a *app) newStudy() *cobra.Command {
	var o studyOptions
	cmd := &cobra.Command{
		Use:   "study FILE.yaml | study KIND --data NAME=DATA ... --out DIR",
		Short: "Run a grid of trainings and tests, and write a report",
		Long: `Train models on some data sets, test each on all of them, and write a report:
one HTML file with tables, figures, pictures and a summary in words, and every
table and figure as CSV, JSON, SVG and PNG beside it.

Kinds of study:
  cross-generator  every training set against every test set
  layers           one layer of a backbone after another
  decoders         several decoders on the same features
  backbones        several backbones
  robustness       test pictures compressed, blurred, resized, made noisy

A study is a YAML file, whose keys are described in docs/study.md, or is given by
flags. A data set is named as "declip train --data" names it, and has the splits
train, valid (which may be missing) and test.

A study that was interrupted or killed goes on when it is run again. What changed
is done anew, and only that: results are kept under names that say what they
depend on. What fails is reported as missing, and the rest goes on.`,
		Example: `  declip study study.yaml --plan
  declip study study.yaml
  declip study cross-generator --data splice=forged/splice --data inpaint=forged/inpaint --out study1 --epochs 20
  declip study layers --layers layer0..layer23 --arch ViT-L/14 --decoder linear --data lama=sets/lama --data ldm=sets/ldm --out study2
  declip study robustness --model lite=lite --test forged=forged/test --out study3`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := o.study(cmd, args)
			if err != nil {
				return err
			}
			return a.runStudy(cmd, f, o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

// study is what is to be run: the file, or what the flags say.
func (o *studyOptions) study(cmd *cobra.Command, args []string) (study.File, error) {
	if len(args) != 1 {
		return study.File{}, usagef(cmd, "%d arguments, expected a study's file or one of the kinds %s", len(args), strings.Join(study.Kinds, ", "))
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
	f := o.file
	f.Kind, f.Train = args[0], o.training.config
	f.Cache = study.Cache{Dir: f.Train.Cache.Dir, Off: o.training.noCache}
	f.Network, f.Train.Spec = f.Train.Spec, network.Spec{}
	f.Evaluation.Bootstrap, f.Evaluation.Samples = &o.bootstrap, &o.samples
	f.Evaluation.Clip = f.Train.BackboneFiles
	if err := o.readSets(cmd, &f); err != nil {
		return study.File{}, err
	}
	if err := f.CheckGiven(); err != nil {
		return study.File{}, usagef(cmd, "%w", err)
	}
	if err := f.Check(); err != nil {
		return study.File{}, usagef(cmd, "%w", err)
	}
	return f, nil
}

// fromFile reads the study's file. Only flags that say where and how it is run go beside it.
func (o *studyOptions) fromFile(cmd *cobra.Command, path string) (study.File, error) {
	beside := []string{"out", "plan", "device", "threads", "ort-lib", "help"}
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && !slices.Contains(beside, f.Name) {
			err = usagef(cmd, "--%s belongs into %s", f.Name, path)
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
	if err := f.Check(); err != nil {
		return study.File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// readSets reads the flags that name something.
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
	if err := a.printPlan(p); err != nil || o.plan {
		return err
	}
	watch := &studyProgress{app: a, bar: &progress{}}
	defer func() { watch.bar.finish() }()
	err = p.Do(cmd.Context(), study.Options{Library: a.library, Device: o.training.config.Device, Threads: o.training.config.Threads,
		Versions: []report.Option{{Name: "declip", Value: version()}}, Events: watch.events()})
	watch.bar.finish()
	if err != nil {
		if cmd.Context().Err() != nil {
			fmt.Fprintln(a.stderr, "declip: interrupted; the same command goes on")
			return errReported
		}
		return err
	}
	return a.studyOutcome(p)
}
