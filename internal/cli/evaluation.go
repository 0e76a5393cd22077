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
	"text/tabwriter"

	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/picture"
)

// evaluation is what "declip eval" prints. Averages are null where there is
// nothing to average.
type evaluation struct {
	Model     string  `json:"model"`
	Data      string  `json:"data,omitempty"`
	Pristine  string  `json:"pristine,omitempty"`
	Threshold float64 `json:"threshold"`
	averages
	UntouchedFlagged *float64            `json:"untouched_flagged"` // share of the untouched pictures
	Detection        *detection          `json:"detection,omitempty"`
	Methods          map[string]averages `json:"methods,omitempty"`
	Failed           []jsonError         `json:"failed,omitempty"`
}

// averages are over the manipulated pictures among Pictures.
type averages struct {
	Pictures    int      `json:"pictures"`
	Manipulated int      `json:"manipulated"`
	Untouched   int      `json:"untouched"`
	IoU         *float64 `json:"iou"` // percent
	F1Fixed     *float64 `json:"f1_fixed"`
	F1Best      *float64 `json:"f1_best"`
	AP          *float64 `json:"ap"`
	AUC         *float64 `json:"auc"`
	// LeftOut counts the pictures that an average leaves out: score, reason.
	LeftOut map[string]map[string]int `json:"left_out,omitempty"`

	summary metric.Summary
}

// detection tells manipulated pictures from untouched ones by their mean
// probability.
type detection struct {
	AP           float64 `json:"ap"`
	AUC          float64 `json:"auc"`
	Accuracy     float64 `json:"accuracy"` // at the threshold
	BestAccuracy float64 `json:"best_accuracy"`
}

func newEvaluation(model string, o evalOptions, results []scored) *evaluation {
	e := &evaluation{Model: model, Data: o.data, Pristine: o.pristine, Threshold: o.threshold}
	methods := map[string]*averages{}
	var pictures metric.Detection
	for _, r := range results {
		if r.err != nil {
			e.Failed = append(e.Failed, jsonError{r.name, r.err.Error()})
			continue
		}
		e.add(r.Result)
		pictures.Add(r.Score, r.Manipulated > 0)
		if r.method == "" || r.Manipulated == 0 {
			continue
		}
		if methods[r.method] == nil {
			methods[r.method] = &averages{}
		}
		methods[r.method].add(r.Result)
	}
	e.finish()
	if e.Untouched > 0 {
		share := e.summary.Untouched.Share(o.threshold)
		e.UntouchedFlagged = &share
	}
	if e.Manipulated > 0 && e.Untouched > 0 {
		best, _ := pictures.BestAccuracy()
		e.Detection = &detection{pictures.AP(), pictures.AUC(), pictures.Accuracy(o.threshold), best}
	}
	for name, m := range methods {
		m.finish()
		if e.Methods == nil {
			e.Methods = map[string]averages{}
		}
		e.Methods[name] = *m
	}
	return e
}

func (a *averages) add(r metric.Result) {
	a.Pictures++
	if r.Manipulated > 0 {
		a.Manipulated++
	} else {
		a.Untouched++
	}
	a.summary.Add(r)
}

// finish takes the averages out of the running sums.
func (a *averages) finish() {
	s := &a.summary
	for _, m := range []struct {
		name string
		mean *metric.Mean
		to   **float64
	}{
		{"iou", &s.IoU, &a.IoU}, {"f1_fixed", &s.F1Fixed, &a.F1Fixed}, {"f1_best", &s.F1Best, &a.F1Best},
		{"ap", &s.AP, &a.AP}, {"auc", &s.AUC, &a.AUC},
	} {
		if v, ok := m.mean.Mean(); ok {
			*m.to = &v
		}
		if left := m.mean.LeftOut(); len(left) > 0 {
			if a.LeftOut == nil {
				a.LeftOut = map[string]map[string]int{}
			}
			a.LeftOut[m.name] = left
		}
	}
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

// print writes for people.
func (e *evaluation) print(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model %s, threshold %g\n", e.Model, e.Threshold)
	if e.Manipulated > 0 {
		fmt.Fprintln(t, "\tpictures\tIoU %\tF1\tF1 best\tAP\tAUC")
		for _, name := range slices.Sorted(maps.Keys(e.Methods)) {
			e.Methods[name].printRow(t, name)
		}
		e.averages.printRow(t, "all manipulated")
	}
	if e.Untouched > 0 {
		fmt.Fprintf(t, "untouched\t%d\tflagged %.1f %%\n", e.Untouched, 100**e.UntouchedFlagged)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if d := e.Detection; d != nil {
		fmt.Fprintf(to, "whole pictures by mean probability: AP %.4f, AUC %.4f, accuracy %.4f, at best %.4f\n",
			d.AP, d.AUC, d.Accuracy, d.BestAccuracy)
	}
	for _, score := range slices.Sorted(maps.Keys(e.LeftOut)) {
		for _, reason := range slices.Sorted(maps.Keys(e.LeftOut[score])) {
			fmt.Fprintf(to, "left out of %s: %d (%s)\n", score, e.LeftOut[score][reason], reason)
		}
	}
	if len(e.Failed) > 0 {
		fmt.Fprintf(to, "left out of everything: %d that could not be evaluated\n", len(e.Failed))
	}
	return nil
}

func (a averages) printRow(w io.Writer, name string) {
	fmt.Fprintf(w, "%s\t%d", name, a.Manipulated)
	for _, c := range []struct {
		value  *float64
		format string
	}{{a.IoU, "%.2f"}, {a.F1Fixed, "%.4f"}, {a.F1Best, "%.4f"}, {a.AP, "%.4f"}, {a.AUC, "%.4f"}} {
		text := "-"
		if c.value != nil {
			text = fmt.Sprintf(c.format, *c.value)
		}
		fmt.Fprintf(w, "\t%s", text)
	}
	fmt.Fprintln(w)
}

// writeScores writes the table with one row a picture.
func writeScores(path string, results []scored) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"image", "method", "width", "height", "manipulated_pixels", "iou", "f1_fixed", "f1_best",
		"ap", "auc", "mean_probability", "fraction_over_threshold", "flagged", "error"}) // a buffer takes everything
	for _, r := range results {
		_ = w.Write(r.row())
	}
	w.Flush()
	return picture.WriteFile(path, b.Bytes())
}

// row is empty where a score is not defined or, for an untouched picture, says
// nothing.
func (r scored) row() []string {
	row := []string{r.name, r.method, strconv.Itoa(r.width), strconv.Itoa(r.height)}
	if r.err != nil {
		return append(row, "", "", "", "", "", "", "", "", "", r.err.Error())
	}
	row = append(row, strconv.Itoa(r.Manipulated))
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
	return append(row, strconv.FormatBool(r.Flagged > metric.FlagShare), "")
}
