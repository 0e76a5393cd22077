package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/declip/declip"
	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/picture"
)

// evalOptions are the flags of "declip eval".
type evalOptions struct {
	modelOptions
	data, pristine string
	json           bool
	csv            string
	threshold      float64
	limit          int
}

// AddFlags declares the flags with their defaults.
func (o *evalOptions) AddFlags(f *pflag.FlagSet) {
	o.modelOptions.AddFlags(f)
	f.StringVar(&o.data, "data", "", "folder with images/ and masks/, as \"declip forge\" makes")
	f.StringVar(&o.pristine, "pristine", "", "folder of untouched pictures, counted with empty masks")
	f.BoolVar(&o.json, "json", false, "print one JSON object instead of text")
	f.StringVar(&o.csv, "csv", "", "also write a table with one row a picture to this file")
	f.Float64Var(&o.threshold, "threshold", declip.DefaultThreshold, "probability above which a pixel counts as manipulated")
	f.IntVar(&o.limit, "limit", 0, "use at most so many pictures of each folder, evenly spread (default: all)")
}

func (o *evalOptions) check(cmd *cobra.Command) error {
	switch {
	case o.data == "" && o.pristine == "":
		return usagef(cmd, "neither --data nor --pristine is given")
	case !(o.threshold > 0 && o.threshold < 1):
		return usagef(cmd, "--threshold %g: expected a number between 0 and 1, both excluded", o.threshold)
	case o.limit < 0:
		return usagef(cmd, "--limit %d: expected 0 or more", o.limit)
	}
	return o.modelOptions.check(cmd)
}

func (a *app) newEval() *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:   "eval --data DIR [flags]",
		Short: "Measure how well a model finds manipulations whose masks are known",
		Long: `Run a model over pictures with known masks and average its scores.

IoU (percent), F1 at the threshold and at its best, average precision (AP) and
the area under the ROC curve (AUC) of the pixels are computed for each
manipulated picture at full resolution and then averaged. Pictures with an empty
mask are untouched ones; of them the share that is flagged is given, that is,
has more than 1 % of its pixels over the threshold. What a score is not defined
for is left out of its average, and counted with the reason.

Models are chosen as "declip localize" does; several are measured by the mean of
their probabilities.`,
		Example: `  declip eval --data forged
  declip eval -m run1/best.safetensors --data forged --pristine photos/test --json
  declip eval -m declip-vit-ldm -m declip-vit-lama --data forged`,
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
	cases, err := evalCases(o, dataset.FolderOptions{Lenient: true})
	if err != nil {
		return err
	}
	model, err := a.open(cmd, o.modelOptions, declip.Options{Threshold: o.threshold})
	if err != nil {
		return err
	}
	defer model.Close()
	bar := a.newProgress(len(cases), "evaluating")
	defer bar.finish()
	scored, err := scoreAll(cmd.Context(), model, o.threshold, cases, bar)
	if err != nil {
		return err
	}
	bar.finish()
	if o.csv != "" {
		if err := writeScores(o.csv, scored); err != nil {
			return err
		}
	}
	table := newEvaluation(model.Name(), o, scored)
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

// evalCase is a picture to be evaluated.
type evalCase struct {
	name string
	load func() (dataset.Sample, error)
}

// evalCases lists what is to be evaluated: the data set, opened as folders says, then the untouched.
func evalCases(o evalOptions, folders dataset.FolderOptions) ([]evalCase, error) {
	var cases []evalCase
	if o.data != "" {
		folder, err := dataset.OpenFolder(o.data, folders)
		if err != nil {
			return nil, err
		}
		for _, i := range spread(folder.Len(), o.limit) {
			load := func() (dataset.Sample, error) { return folder.Load(i) }
			cases = append(cases, evalCase{folder.Path(i), load})
		}
	}
	if o.pristine == "" {
		return cases, nil
	}
	inputs := collect([]string{o.pristine}, "")
	for _, i := range spread(len(inputs), o.limit) {
		in := inputs[i]
		if in.err != nil {
			return nil, in.err
		}
		cases = append(cases, evalCase{in.path, func() (dataset.Sample, error) { return untouched(in.path) }})
	}
	return cases, nil
}

// methodUntouched names the pictures of --pristine in the table.
const methodUntouched = "untouched"

func untouched(path string) (dataset.Sample, error) {
	d, err := picture.Open(path, picture.Limits{})
	if err != nil {
		return dataset.Sample{}, err
	}
	mask := picture.NewGray(d.Width, d.Height)
	return dataset.Sample{Picture: d.RGB, Mask: mask, Name: path, Method: methodUntouched}, nil
}

// spread gives at most limit of the indices below n, evenly; 0 means all.
func spread(n, limit int) []int {
	count := n
	if limit > 0 {
		count = min(n, limit)
	}
	indices := make([]int, count)
	for i := range indices {
		indices[i] = i * n / count
	}
	return indices
}

// scored is a picture with its scores, or why it has none.
type scored struct {
	name, method  string
	width, height int
	metric.Result
	err error
}

// scoreAll runs the model over all cases, some at once. Its error is that the
// work was called off.
func scoreAll(ctx context.Context, model *declip.Model, threshold float64, cases []evalCase, bar *progress) ([]scored, error) {
	results := make([]scored, len(cases))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	done := 0
	for i, c := range cases {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			results[i] = scoreCase(ctx, model, threshold, c)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			bar.set(done)
			return nil
		})
	}
	return results, group.Wait()
}

func scoreCase(ctx context.Context, model *declip.Model, threshold float64, c evalCase) scored {
	s := scored{name: c.name}
	sample, err := c.load()
	if err != nil {
		s.err = err
		return s
	}
	s.method, s.width, s.height = sample.Method, sample.Picture.Width, sample.Picture.Height
	r, err := model.Localize(ctx, sample.Picture)
	if err == nil {
		s.Result, err = metric.Evaluate(r.Prob, metric.Truth(sample.Mask.Pix), s.width, s.height, threshold)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.err = fmt.Errorf("%s: %w", c.name, err)
	}
	return s
}
