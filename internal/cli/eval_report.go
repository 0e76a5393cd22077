package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/picture"
)

// evaluation is what "declip eval" prints. An average of nothing is null. With several models, the
// summary is that of their mean.
type evaluation struct {
	Model     string  `json:"model"`
	Data      string  `json:"data,omitempty"`
	Pristine  string  `json:"pristine,omitempty"`
	Threshold float64 `json:"threshold"`
	evaluate.Summary
	Each      []modelRow  `json:"each,omitempty"`      // of several models: each alone
	Perturbed []modelRow  `json:"perturbed,omitempty"` // by perturbation, then model
	Failed    []jsonError `json:"failed,omitempty"`
	// FilesLeftOut counts the files in the data sets' directories that are not pictures, by
	// extension.
	FilesLeftOut map[string]int `json:"files_left_out,omitempty"`
	Provenance   *madeBy        `json:"provenance"`

	sets []*dataset.Set
}

// modelRow is one model's summary under one condition.
type modelRow struct {
	Model        string `json:"model"`
	Perturbation string `json:"perturbation,omitempty"`
	evaluate.Summary
}

// newEvaluation summarizes the runs by model and perturbation. The last model is the main one,
// which is reported first.
func newEvaluation(o evalOptions, sets []*dataset.Set, runs []evaluate.Scored, models int) *evaluation {
	options := evaluate.SummaryOptions{Threshold: o.threshold, Bootstrap: o.bootstrap, Seed: o.seed}
	main := runs[models-1]
	e := &evaluation{
		Model: main.Model, Data: dataNames(o.data), Pristine: dataNames(o.pristine), Threshold: o.threshold,
		Summary: evaluate.Summarize(main.Pictures, options), sets: sets,
	}
	for _, s := range sets {
		for ext, n := range s.LeftOut().Counts() {
			if e.FilesLeftOut == nil {
				e.FilesLeftOut = map[string]int{}
			}
			e.FilesLeftOut[ext] += n
		}
	}
	seen := map[string]bool{}
	for i, run := range runs {
		for _, p := range run.Pictures {
			if p.Err != nil && !seen[p.Err.Error()] {
				seen[p.Err.Error()] = true
				e.Failed = append(e.Failed, jsonError{p.Name, p.Err.Error()})
			}
		}
		switch {
		case i == models-1:
		case i < models:
			e.Each = append(e.Each, modelRow{run.Model, "", evaluate.Summarize(run.Pictures, options)})
		default:
			e.Perturbed = append(e.Perturbed, modelRow{run.Model, run.Perturbation, evaluate.Summarize(run.Pictures, options)})
		}
	}
	return e
}

func (a *app) printEvaluation(o evalOptions, e *evaluation) error {
	if o.json {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "%s\n", text)
		return err
	}
	return e.print(a.stdout)
}

// anyScore is an error if there is not a single score: pictures that are all labelled manipulated
// and have no masks give none.
func (e *evaluation) anyScore() error {
	if e.IoU != nil || e.F1Fixed != nil || e.AP != nil || e.UntouchedFlagged != nil || e.Detection != nil {
		return nil
	}
	return fmt.Errorf("there are no scores: %d pictures are manipulated without masks, and there are no untouched ones to compare with "+
		"(a list needs a column \"mask\", or pictures of both labels)", e.Manipulated)
}

// print writes the evaluation as text.
func (e *evaluation) print(to io.Writer) error {
	fmt.Fprintf(to, "model %s, threshold %g\n", e.Model, e.Threshold)
	for _, s := range e.sets {
		fmt.Fprintf(to, "data %s\n", s)
	}
	if e.Provenance != nil {
		fmt.Fprintf(to, "made by %s\n", e.Provenance)
	}
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if e.IoU != nil || e.F1Fixed != nil {
		fmt.Fprintln(t, "\tpictures\t"+shownTitles())
		for _, name := range slices.Sorted(maps.Keys(e.Methods)) {
			printAverages(t, name, e.Methods[name])
		}
		printAverages(t, "all manipulated", e.Averages)
		printIntervals(t, e.Intervals)
	}
	if e.Untouched > 0 {
		fmt.Fprintf(t, "untouched\t%d\tflagged %.1f %%%s\n", e.Untouched, 100**e.UntouchedFlagged, inBrackets(e.Intervals, "untouched_flagged", 100, "%.1f"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	printPooled(to, e.Pooled)
	e.printDetection(to)
	e.printLeftOut(to)
	if err := e.printRows(to, "each model", e.Each); err != nil {
		return err
	}
	return e.printPerturbed(to)
}

func (e *evaluation) printDetection(to io.Writer) {
	d := e.Detection
	if d == nil {
		return
	}
	fmt.Fprintf(to, "whole pictures by mean probability: AP %.4f%s, AUC %.4f%s, accuracy %.4f%s, at best %.4f\n",
		d.AP, inBrackets(e.Intervals, "detection_ap", 1, "%.4f"), d.AUC, inBrackets(e.Intervals, "detection_auc", 1, "%.4f"),
		d.Accuracy, inBrackets(e.Intervals, "detection_accuracy", 1, "%.4f"), d.BestAccuracy)
	f := e.DetectionByFlags
	fmt.Fprintf(to, "whole pictures by their 99th percentile: AP %.4f, AUC %.4f, accuracy %.4f, at best %.4f\n", f.AP, f.AUC, f.Accuracy, f.BestAccuracy)
	if n := e.DetectionByNetwork; n != nil {
		fmt.Fprintf(to, "whole pictures by the network's own score: AP %.4f, AUC %.4f, accuracy %.4f, at best %.4f\n", n.AP, n.AUC, n.Accuracy, n.BestAccuracy)
		fmt.Fprintf(to, "as a probability: expected calibration error %.4f\n", *n.ECE)
		f = n
	}
	fmt.Fprintf(to, "manipulated pictures found where at most 1 %% of the untouched ones are flagged: %.1f %%\n", 100*f.FoundAt1)
}

func (e *evaluation) printLeftOut(to io.Writer) {
	for _, score := range slices.Sorted(maps.Keys(e.LeftOut)) {
		for _, reason := range slices.Sorted(maps.Keys(e.LeftOut[score])) {
			fmt.Fprintf(to, "left out of %s: %d (%s)\n", score, e.LeftOut[score][reason], reason)
		}
	}
	if e.Failed != nil {
		fmt.Fprintf(to, "left out of all scores: %d that could not be evaluated\n", e.Summary.Failed)
	}
}

// printPerturbed prints the robustness table: the unchanged pictures, then each perturbation.
func (e *evaluation) printPerturbed(to io.Writer) error {
	if len(e.Perturbed) == 0 {
		return nil
	}
	const unchanged = "unchanged"
	var rows []modelRow
	for _, r := range e.Each {
		rows = append(rows, modelRow{r.Model, unchanged, r.Summary})
	}
	rows = append(rows, modelRow{e.Model, unchanged, e.Summary})
	rows = append(rows, e.Perturbed...)
	return e.printRows(to, "perturbed", rows)
}

// printRows prints one line per row, with the model if there are several and the perturbation if
// there is one.
func (e *evaluation) printRows(to io.Writer, title string, rows []modelRow) error {
	if len(rows) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n%s\tpictures\t%s\tuntouched flagged\n", title, shownTitles())
	for _, r := range rows {
		name := r.Perturbation
		if len(e.Each) > 0 {
			if name != "" {
				name += "  "
			}
			name += r.Model
		}
		fmt.Fprintf(t, "%s\t%d%s", name, r.Manipulated, averagesText(r.Averages))
		if r.UntouchedFlagged != nil {
			fmt.Fprintf(t, "\t%.1f %%", 100**r.UntouchedFlagged)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// shownScores are the averages in a table, in the order of its columns. The first F1 is the
// paper's, which ignores a band along the mask's border; the plain one ignores nothing.
var shownScores = []struct {
	name, title, format string
	of                  func(a evaluate.Averages) *float64
}{
	{"iou", "IoU %", "%.2f", func(a evaluate.Averages) *float64 { return a.IoU }},
	{"f1_fixed", "F1", "%.4f", func(a evaluate.Averages) *float64 { return a.F1Fixed }},
	{"f1_best", "F1 best", "%.4f", func(a evaluate.Averages) *float64 { return a.F1Best }},
	{"ap", "AP", "%.4f", func(a evaluate.Averages) *float64 { return a.AP }},
	{"auc", "AUC", "%.4f", func(a evaluate.Averages) *float64 { return a.AUC }},
	{"f1_plain", "F1 plain", "%.4f", func(a evaluate.Averages) *float64 { return a.F1Plain }},
	{"balanced_accuracy", "bal. acc.", "%.4f", func(a evaluate.Averages) *float64 { return a.BalancedAccuracy }},
	{"mcc", "MCC", "%.4f", func(a evaluate.Averages) *float64 { return a.MCC }},
}

// shownTitles are the titles of the columns.
func shownTitles() string {
	var titles []string
	for _, c := range shownScores {
		titles = append(titles, c.title)
	}
	return strings.Join(titles, "\t")
}

// printPooled prints the scores of the pixels of all pictures together.
func printPooled(w io.Writer, p *evaluate.Pooled) {
	if p == nil {
		return
	}
	balanced := "-"
	if p.BalancedAccuracy != nil {
		balanced = fmt.Sprintf("%.4f", *p.BalancedAccuracy)
	}
	fmt.Fprintf(w, "pooled over the pixels of all manipulated pictures: IoU %.2f %%, F1 plain %.4f, balanced accuracy %s, MCC %.4f\n", p.IoU, p.F1, balanced, p.MCC)
}

func printAverages(w io.Writer, name string, a evaluate.Averages) {
	fmt.Fprintf(w, "%s\t%d%s\n", name, a.Manipulated, averagesText(a))
}

func averagesText(a evaluate.Averages) string {
	text := ""
	for _, c := range shownScores {
		cell := "-"
		if v := c.of(a); v != nil {
			cell = fmt.Sprintf(c.format, *v)
		}
		text += "\t" + cell
	}
	return text
}

// printIntervals prints the two lines below the averages: the bounds of their intervals.
func printIntervals(w io.Writer, intervals map[string]evaluate.Interval) {
	if len(intervals) == 0 {
		return
	}
	fmt.Fprint(w, "  from (95 %)\t")
	for _, c := range shownScores {
		fmt.Fprint(w, "\t"+boundText(intervals, c.name, c.format, 0))
	}
	fmt.Fprint(w, "\n  to\t")
	for _, c := range shownScores {
		fmt.Fprint(w, "\t"+boundText(intervals, c.name, c.format, 1))
	}
	fmt.Fprintln(w)
}

func boundText(intervals map[string]evaluate.Interval, name, format string, end int) string {
	i, ok := intervals[name]
	if !ok {
		return "-"
	}
	return fmt.Sprintf(format, i[end])
}

// inBrackets formats an interval to follow its score; "" if there is none.
func inBrackets(intervals map[string]evaluate.Interval, name string, scale float64, format string) string {
	i, ok := intervals[name]
	if !ok {
		return ""
	}
	return fmt.Sprintf(" ["+format+", "+format+"]", scale*i[0], scale*i[1])
}

// writeScores writes a CSV table with one row per picture, model and perturbation.
func writeScores(path string, runs []evaluate.Scored, made *madeBy) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b) // writing to a buffer cannot fail
	_ = w.Write([]string{"image", "method", "width", "height", "manipulated_pixels", "iou", "f1_fixed", "f1_best",
		"ap", "auc", "mean_probability", "fraction_over_threshold", "flagged", "error", "model", "perturbation",
		"f1_plain", "balanced_accuracy", "mcc", "declip", "engine", "weights", "network_score"})
	for _, run := range runs {
		for _, p := range run.Pictures {
			_ = w.Write(slices.Concat(scoresRow(p), []string{run.Model, run.Perturbation}, plainScores(p), made.columns(), networkScore(p)))
		}
	}
	w.Flush()
	return picture.WriteFile(path, b.Bytes())
}

// networkScore is the column of the model's own score of the picture, empty if it gives none.
func networkScore(p evaluate.Picture) []string {
	if p.Err != nil || p.NetworkScore == nil {
		return []string{""}
	}
	return []string{strconv.FormatFloat(*p.NetworkScore, 'g', -1, 64)}
}

// plainScores are columns behind the others: they were added later.
func plainScores(p evaluate.Picture) []string {
	row := make([]string, 3)
	if p.Err != nil || p.Scores.Manipulated == 0 {
		return row
	}
	for i, v := range []float64{p.Scores.F1Plain, p.Scores.BalancedAccuracy, p.Scores.MCC} {
		if !math.IsNaN(v) {
			row[i] = strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return row
}

// scoresRow leaves undefined scores empty, and those that mean nothing for an untouched picture.
func scoresRow(p evaluate.Picture) []string {
	row := []string{p.Name, p.Method, strconv.Itoa(p.Width), strconv.Itoa(p.Height)}
	if p.Err != nil {
		return append(row, "", "", "", "", "", "", "", "", "", p.Err.Error())
	}
	r := p.Scores
	marked := ""
	if p.Masked {
		marked = strconv.Itoa(r.Manipulated)
	}
	row = append(row, marked)
	scores := []float64{r.IoU, r.F1Fixed, r.F1Best, r.AP, r.AUC}
	if r.Manipulated == 0 {
		scores = slices.Repeat([]float64{math.NaN()}, len(scores))
	}
	for _, v := range append(scores, r.Score, r.Flagged) {
		text := ""
		if !math.IsNaN(v) {
			text = strconv.FormatFloat(v, 'g', -1, 64)
		}
		row = append(row, text)
	}
	return append(row, strconv.FormatBool(p.Flagged()), "")
}
