package study

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/train"
)

// results collects the contents of the plan's cells for the report.
func (p *Plan) results(info engine.Info, versions []report.Option) *report.Results {
	f := p.File
	r := &report.Results{Kind: f.Kind, Title: f.Title, Note: f.Note, Variants: p.variants, Threshold: f.Evaluation.Threshold,
		Bootstrap: f.Evaluation.Bootstrap, Seed: f.Train.Seed, Treatments: []report.Treatment{{}}, Options: p.options(), Dolos: p.dolos()}
	for _, run := range p.Runs {
		if !slices.Contains(r.Train, run.Train) {
			r.Train = append(r.Train, run.Train)
		}
		r.Runs = append(r.Runs, p.report(run))
	}
	for _, s := range p.sets {
		r.Test = append(r.Test, s.Name)
		r.Data = append(r.Data, s.report())
	}
	for _, t := range p.perturb {
		r.Treatments = append(r.Treatments, treatment(t))
	}
	for _, c := range p.Cells {
		r.Cells = append(r.Cells, c.report(f.Evaluation.Threshold))
	}
	r.Versions = append(slices.Clone(versions), report.Option{Name: "ONNX Runtime", Value: fmt.Sprintf("%s on %s, %d threads", info.Version, info.Device, info.Threads)},
		report.Option{Name: "system", Value: fmt.Sprintf("%s/%s, %d cores, %s, %s", runtime.GOOS, runtime.GOARCH, info.Cores, strings.Join(info.SIMD, " "), runtime.Version())})
	return r
}

func treatment(t evaluate.Perturbation) report.Treatment {
	if t.Kind == "" {
		return report.Treatment{}
	}
	return report.Treatment{Kind: t.Kind, Strength: fmt.Sprintf("%g", t.Value)}
}

// report describes a run, with what made the scores of its cells.
func (p *Plan) report(r *Run) report.Run {
	out := report.Run{Variant: r.Variant, Train: r.Train, Model: r.Model, Folder: r.Dir, Parameters: r.facts.Parameters, Epochs: r.facts.Epochs,
		BestEpoch: r.facts.BestEpoch, ValidIoU: r.facts.ValidIoU, Seconds: r.facts.Seconds, Problem: r.Problem}
	for _, c := range p.Cells {
		if c.Run != r || c.result == nil || c.result.Provenance == nil {
			continue
		}
		made := c.result.Provenance
		for _, w := range made.Weights {
			if known := report.Weights(w); !slices.Contains(out.Weights, known) {
				out.Weights = append(out.Weights, known)
			}
		}
		if with := scoredWith(made); !slices.Contains(out.ScoredWith, with) {
			out.ScoredWith = append(out.ScoredWith, with)
		}
	}
	return out
}

func scoredWith(made *localize.Provenance) string {
	program := "declip"
	if made.Program != "" {
		program += " " + made.Program
	}
	return program + ", " + made.Engine
}

func (c *Cell) report(threshold float64) report.Cell {
	out := report.Cell{Variant: c.Run.Variant, Train: c.Run.Train, Test: c.Test, Treatment: treatment(c.Treatment), Problem: c.Problem}
	if c.result == nil {
		switch {
		case out.Problem != "":
		case c.Run.Problem != "":
			out.Problem = c.Run.Problem
		case !c.Run.Done:
			out.Problem = "the model is not trained yet"
		default:
			out.Problem = "not tested yet"
		}
		return out
	}
	out.Problem = ""
	out.Seconds = c.result.Seconds
	out.Failure, out.Failed = firstError(c.result.Pictures)
	out.Pooled = pooled(c.result.Pictures)
	for _, one := range c.result.Pictures {
		out.Scores = append(out.Scores, score(one, threshold))
	}
	return out
}

// pooled converts the pooled scores of pictures for the report.
func pooled(pictures []evaluate.Picture) *report.Pooled {
	p := evaluate.PooledOf(pictures)
	if p == nil {
		return nil
	}
	out := &report.Pooled{IoU: p.IoU, F1Plain: p.F1, BalancedAccuracy: math.NaN(), MCC: p.MCC}
	if p.BalancedAccuracy != nil {
		out.BalancedAccuracy = *p.BalancedAccuracy
	}
	return out
}

// score converts a picture's scores for the report. Without scores all are NaN.
func score(p evaluate.Picture, threshold float64) report.Score {
	s := report.Score{Name: p.Name, Manipulated: true}
	r := p.Scores
	if p.Err == nil {
		s.Manipulated, s.Mean, s.Flagged = p.Manipulated, r.Score, r.FlagScore > threshold
	}
	if p.Err != nil || !p.Masked {
		nan := math.NaN()
		s.IoU, s.F1, s.F1Best, s.AP, s.AUC, s.F1Plain, s.BalancedAccuracy, s.MCC = nan, nan, nan, nan, nan, nan, nan, nan
		return s
	}
	s.IoU, s.F1, s.F1Best, s.AP, s.AUC = r.IoU, r.F1Fixed, r.F1Best, r.AP, r.AUC
	s.F1Plain, s.BalancedAccuracy, s.MCC = r.F1Plain, r.BalancedAccuracy, r.MCC
	return s
}

// options lists the settings of trainings and tests for the report.
func (p *Plan) options() []report.Option {
	var list []report.Option
	add := func(name, value string) { list = append(list, report.Option{Name: name, Value: value}) }
	f := p.File
	if len(f.Models) == 0 {
		c := f.Train
		c.Spec = f.Network
		c = c.Completed()
		add("network", describe(c.Spec))
		for _, o := range trainingOptions(c) {
			add(o.Name, o.Value)
		}
		if c.MaxTime > 0 {
			add("time limit of a training", c.MaxTime.String())
		}
	}
	add("threshold", fmt.Sprintf("%g", f.Evaluation.Threshold))
	if f.Evaluation.Limit > 0 {
		add("pictures tested of each set", fmt.Sprintf("at most %d", f.Evaluation.Limit))
	}
	add("bootstrap draws", fmt.Sprint(f.Evaluation.Bootstrap))
	return list
}

// trainingOptions are the training's settings by their names in the study's file, except the
// network and what is off.
func trainingOptions(c train.Config) (list []report.Option) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil
	}
	var options map[string]any
	if json.Unmarshal(text, &options) != nil {
		return nil
	}
	for _, name := range []string{"spec", "data", "valid", "device", "threads", "max_time"} {
		delete(options, name)
	}
	if c.Augment.JPEG == 0 { // the qualities do not matter then
		if augment, ok := options["augment"].(map[string]any); ok {
			delete(augment, "jpeg_low")
			delete(augment, "jpeg_high")
		}
	}
	var names []string
	flat := map[string]string{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for name, value := range m {
			if nested, ok := value.(map[string]any); ok {
				walk(prefix+name+".", nested)
				continue
			}
			names = append(names, prefix+name)
			flat[prefix+name] = fmt.Sprint(value)
		}
	}
	walk("", withoutZeros(options))
	slices.Sort(names)
	for _, name := range names {
		list = append(list, report.Option{Name: name, Value: flat[name]})
	}
	return list
}
