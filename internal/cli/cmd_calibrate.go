package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/train/calibrate"
)

// calibrateOptions are the flags of "declip calibrate".
type calibrateOptions struct {
	model, out          string
	data, pristine      []string
	sets                dataOptions
	maxFlagged          float64
	limit               int
	json, copies, blobs bool
	force               bool
	doubleJPEG, judge   bool
	detectors           []string
	device              string
	threads             int
}

// AddFlags declares the flags with their defaults.
func (o *calibrateOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.model, "model", "m", models.Default, "built-in name, file, or name in the models directory")
	addDataFlag(f, &o.data)
	o.sets.AddFlags(f)
	addPristineFlag(f, &o.pristine)
	f.Float64Var(&o.maxFlagged, "max-flagged", 0.05, "largest share of the untouched pictures that may be flagged, of all and of those of each --pristine")
	f.StringSliceVar(&o.detectors, "detectors", nil, "also mark what these detectors find, separated by commas: "+strings.Join(localize.Detectors(), ", ")+" (xceptionnet-lite)")
	f.BoolVar(&o.copies, "copies", false, "short for --detectors copies: areas that appear twice in a picture")
	f.BoolVar(&o.doubleJPEG, "double-jpeg", false, "short for --detectors double-jpeg: areas that lack the picture's earlier JPEG compression")
	f.BoolVar(&o.blobs, "blobs", false, "drop small and low-confidence regions (xceptionnet-lite)")
	f.BoolVar(&o.judge, "judge", false, "fit a probability that the whole picture was manipulated, which becomes its score (xceptionnet-lite)")
	f.StringVarP(&o.out, "out", "o", "", "`file` for the calibrated model")
	addForceFlag(f, &o.force)
	addLimitFlag(f, &o.limit)
	f.BoolVar(&o.json, "json", false, "print one JSON object instead of text")
	addEngineFlags(f, &o.device, &o.threads)
}

func (o *calibrateOptions) check(cmd *cobra.Command) error {
	switch {
	case !(o.maxFlagged >= 0 && o.maxFlagged <= 1):
		return usagef(cmd, "--max-flagged %g: expected a share between 0 and 1", o.maxFlagged)
	case o.limit < 0:
		return usagef(cmd, "--limit %d: expected at least 0", o.limit)
	}
	if err := localize.CheckDetectors(o.detectors); err != nil {
		return usagef(cmd, "--detectors: %v", err)
	}
	if err := checkThreads(cmd, o.threads); err != nil {
		return err
	}
	if err := o.sets.check(cmd); err != nil {
		return err
	}
	return required(cmd, "data", "out")
}

// detectorNames are the detectors that the flags name.
func (o *calibrateOptions) detectorNames() []string {
	names := slices.Clone(o.detectors)
	if o.copies {
		names = append(names, "copies")
	}
	if o.doubleJPEG {
		names = append(names, "double-jpeg")
	}
	return names
}

func (a *app) newCalibrate() *cobra.Command {
	var o calibrateOptions
	cmd := &cobra.Command{
		Use:   "calibrate --data DIR -o FILE [flags]",
		Short: "Shift a model's output so that 0.5 is its best threshold",
		Long: `Find the threshold at which a model works best on pictures with known masks, and
write the model with its logits shifted so that this threshold becomes 0.5.

The best threshold is the one with the highest F1, averaged over the manipulated
pictures, among those at which at most --max-flagged of the untouched pictures
are flagged. A picture is flagged when more than 1 % of its pixels exceed the
threshold. Untouched pictures are those of --pristine, and those of --data with
empty masks. The limit holds for all of them together, and for each directory of
--pristine by itself: give different kinds of pictures separately, so that many
of an easy kind do not hide that a few of another kind are flagged. The shifted
model is then measured, too. Calibrate on pictures that the model was not trained
on, and measure the result on yet other pictures. The split "valid" of a data set
is used if it has splits.

` + dataHelp,
		Example: `  declip calibrate -m run1/best.safetensors --data forged-valid --pristine photos/valid -o model.safetensors`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.runCalibrate(cmd.Context(), o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runCalibrate(ctx context.Context, o calibrateOptions) error {
	if err := checkNew(o.out, o.force); err != nil { // before the work, not after it
		return err
	}
	source, err := openSources(ctx, o.data, o.pristine, o.limit, o.sets.into(dataset.Options{DefaultSplit: "valid"}, a.notice))
	if err != nil {
		return err
	}
	file, err := models.Open(o.model)
	if err != nil {
		return err
	}
	defer file.Close()
	weights, err := localize.WeightsOf(ctx, o.model) // --out may replace the file
	if err != nil {
		return err
	}
	made := &madeBy{Program: version(), Weights: weights}
	bar := &progress{}
	defer func() { bar.finish() }()
	options := calibrate.Options{MaxFlagged: o.maxFlagged, Detectors: o.detectorNames(), Blobs: o.blobs, Open: a.predictor(o, made),
		Judge: o.judge, OpenFacts: a.factsOf(o), Workers: runtime.GOMAXPROCS(0)}
	for i := range source.Len() {
		load := func() (dataset.Sample, error) { return source.Load(ctx, i) }
		options.Pictures = append(options.Pictures, calibrate.Picture{Name: dataset.PathOf(source.Source, i), Group: source.pristine[i], Load: load})
	}
	options.Done = func(pass, done int) {
		if done == 1 {
			bar.finish()
			bar = a.newProgress(source.Len(), fmt.Sprintf("calibrating, pass %d", pass+1))
		}
		bar.set(done)
	}
	result, err := calibrate.Run(ctx, file, options)
	if err != nil {
		return err
	}
	if result.Data, result.Pristine, err = source.fingerprints(ctx); err != nil {
		return err
	}
	if err := result.Write(o.out); err != nil {
		return err
	}
	bar.finish()
	return a.printCalibration(o, result.Facts, made)
}

// predictor opens models for calibrate.Run. made gets the engine.
func (a *app) predictor(o calibrateOptions, made *madeBy) func(path string) (calibrate.Predict, func(), error) {
	return func(path string) (calibrate.Predict, func(), error) {
		model, err := localize.Open(path, localize.Options{Library: a.library, Device: o.device, Threads: o.threads})
		if err != nil {
			return nil, nil, err
		}
		by, err := model.Provenance()
		if err != nil {
			return nil, nil, errors.Join(err, model.Close())
		}
		made.Engine = by.Engine
		return model.LocalizeShifted, func() { model.Close() }, nil
	}
}

// factsOf opens models for the judge of calibrate.Run.
func (a *app) factsOf(o calibrateOptions) func(path string) (calibrate.Features, func(), error) {
	return func(path string) (calibrate.Features, func(), error) {
		model, err := localize.Open(path, localize.Options{Library: a.library, Device: o.device, Threads: o.threads})
		if err != nil {
			return nil, nil, err
		}
		facts := func(ctx context.Context, p *picture.Picture) ([]float64, error) {
			r, err := model.Localize(ctx, p)
			if err != nil {
				return nil, err
			}
			return localize.Facts(r, p.RGB), nil
		}
		return facts, func() { model.Close() }, nil
	}
}

// fingerprints identify what the model was calibrated on: the names and lengths of all pictures,
// and the contents of their masks.
func (o *opened) fingerprints(ctx context.Context) (data, untouched string, err error) {
	var sources []dataset.Source
	for _, s := range o.sets {
		sources = append(sources, s)
	}
	if data, err = dataset.Contents(ctx, dataset.Join(sources...)); err != nil || len(o.untouched) == 0 {
		return data, "", err
	}
	return data, dataset.Fingerprint(dataset.Join(o.untouched...)), nil
}

// calibration is what "declip calibrate --json" prints.
type calibration struct {
	Model string `json:"model"`
	Out   string `json:"out"`
	calibrate.Facts
	Provenance *madeBy `json:"provenance"` // weights are those of the model before
}

func (a *app) printCalibration(o calibrateOptions, f calibrate.Facts, made *madeBy) error {
	if o.json {
		text, err := json.Marshal(calibration{o.model, o.out, f, made})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "%s\n", text)
		return err
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model %s, %s, %d untouched\n", o.model, plural(f.Manipulated, "manipulated picture"), f.Untouched)
	fmt.Fprintln(t, "at 0.5\tF1\tuntouched flagged")
	printPoint(t, "before", f.Before, f.Untouched)
	printPoint(t, "after", f.After, f.Untouched)
	if err := t.Flush(); err != nil {
		return err
	}
	if j := f.Judged; j != nil {
		fmt.Fprintf(a.stdout, "whole pictures, by others of these: AUC %.3f, %.1f %% found with 1 %% false alarms, ECE %.3f\n", j.AUC, 100*j.FoundAt, j.ECE)
	}
	_, err := fmt.Fprintf(a.stdout, "%s: the threshold %.4f is now 0.5, logits are shifted by %+.3f\n", o.out, f.Threshold, f.Shift)
	return err
}

func printPoint(w io.Writer, name string, p calibrate.Point, untouched int) {
	flagged := "-"
	if untouched > 0 {
		flagged = fmt.Sprintf("%.1f %%", 100*p.Flagged)
	}
	if p.MostFlagged > p.Flagged {
		flagged += fmt.Sprintf(", %.1f %% in one --pristine", 100*p.MostFlagged)
	}
	fmt.Fprintf(w, "%s\t%.4f\t%s\n", name, p.F1, flagged)
}
