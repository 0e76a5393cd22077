package study

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
)

// pass tests several models on one test set together.
type pass struct {
	set  *set
	runs []*Run
}

// Limits of a pass. Its models share their backbones, and their own weights are all in memory.
const (
	passModels     = 16
	passParameters = 300 << 20
)

// passes groups the cells to fill by test set and by the models' backbones.
func (p *Plan) passes() (list []pass) {
	for _, s := range p.sets {
		byFiles := map[string][]*Run{}
		var order []string
		for _, r := range p.Runs {
			files := strings.Join(r.clip, "\x00")
			if !r.Done || r.Problem != "" || len(p.open(r, s)) == 0 {
				continue
			}
			if byFiles[files] == nil {
				order = append(order, files)
			}
			byFiles[files] = append(byFiles[files], r)
		}
		for _, files := range order {
			runs, parameters := []*Run(nil), 0
			for _, r := range byFiles[files] {
				if len(runs) == passModels || len(runs) > 0 && parameters+r.facts.Parameters > passParameters {
					list = append(list, pass{s, runs})
					runs, parameters = nil, 0
				}
				runs, parameters = append(runs, r), parameters+r.facts.Parameters
			}
			list = append(list, pass{s, runs})
		}
	}
	return list
}

// open lists the unfilled cells of a model and a test set.
func (p *Plan) open(r *Run, s *set) (list []*Cell) {
	for _, c := range p.Cells {
		if c.Run == r && c.set == s && !c.Done && c.Problem == "" && c.key != "" {
			list = append(list, c)
		}
	}
	return list
}

// score fills the cells. A model that fails is a problem of its cells.
func (p *Plan) score(ctx context.Context, o Options) error {
	passes := p.passes()
	for i, pass := range passes {
		if o.Events.Scoring != nil {
			o.Events.Scoring(pass.set.Name, len(pass.runs), i+1, len(passes))
		}
		err := p.scoreTogether(ctx, o, pass)
		if err != nil && ctx.Err() == nil && len(pass.runs) > 1 {
			for _, r := range pass.runs { // find the one that fails
				if err := p.scoreTogether(ctx, o, passOf(pass.set, r)); err != nil && ctx.Err() == nil {
					p.blame(r, pass.set, err)
				}
			}
			err = nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			p.blame(pass.runs[0], pass.set, err)
		}
	}
	return nil
}

func passOf(s *set, r *Run) pass { return pass{s, []*Run{r}} }

// blame records why a model's cells of a test set stay empty.
func (p *Plan) blame(r *Run, s *set, err error) {
	for _, c := range p.open(r, s) {
		c.Problem = err.Error()
	}
}

// scoreTogether fills the cells of a pass. A panic becomes an error.
func (p *Plan) scoreTogether(ctx context.Context, o Options, pass pass) (err error) {
	defer parallel.Recover(&err)
	m, err := p.openModels(pass.runs, o)
	if err != nil {
		return err
	}
	defer m.Close()
	var cells []*Cell
	var treatments []evaluate.Perturbation
	for _, r := range pass.runs {
		for _, c := range p.open(r, pass.set) {
			cells = append(cells, c)
			if c.Treatment.Kind != "" && !slices.Contains(treatments, c.Treatment) {
				treatments = append(treatments, c.Treatment)
			}
		}
	}
	began := time.Now()
	options := evaluate.DefaultOptions()
	options.Threshold, options.Perturb = p.File.Evaluation.Threshold, treatments
	options.Seed, options.Done = p.File.Train.Seed, o.Events.Scored
	scored, err := evaluate.Run(ctx, pass.set.test, each{evaluate.Models(m, paths(pass.runs)...), len(pass.runs)}, options)
	if err != nil {
		return err
	}
	seconds := time.Since(began).Seconds() / float64(len(scored))
	for _, c := range cells {
		k := slices.Index(treatments, c.Treatment) + 1 // untreated pictures come first
		pictures := scored[k*len(pass.runs)+slices.Index(pass.runs, c.Run)].Pictures
		if good := slices.ContainsFunc(pictures, func(p evaluate.Picture) bool { return p.Err == nil }); !good {
			c.Problem = "no picture could be scored: " + evaluate.FirstError(pictures).Error()
			continue
		}
		if c.made, err = p.provenance(ctx, m, c.Run); err != nil {
			return err
		}
		if err := c.write(pictures, seconds); err != nil {
			return err
		}
	}
	return nil
}

// provenance says what made the scores of a run: the program and engine of the model that it was
// part of, and the run's own files.
func (p *Plan) provenance(ctx context.Context, m *localize.Model, r *Run) (*localize.Provenance, error) {
	made, err := m.Provenance()
	if err != nil {
		return nil, err
	}
	made.Weights = nil
	for _, name := range append([]string{r.File}, r.clip...) {
		list, ok := p.weights[name]
		if !ok {
			if list, err = localize.WeightsOf(ctx, name); err != nil {
				return nil, err
			}
			if p.weights == nil {
				p.weights = map[string][]localize.WeightsFile{}
			}
			p.weights[name] = list
		}
		made.Weights = append(made.Weights, list...)
	}
	return made, nil
}

// paths lists the checkpoints of runs.
func paths(runs []*Run) []string {
	var list []string
	for _, r := range runs {
		list = append(list, r.File)
	}
	return list
}

// openModels opens models that each give their own answer.
func (p *Plan) openModels(runs []*Run, o Options) (*localize.Model, error) {
	return localize.OpenSeveral(paths(runs), localize.Options{Library: o.Library, Device: o.Device, Threads: o.Threads,
		Threshold: p.File.Evaluation.Threshold, Backbones: runs[0].clip, Each: true, Program: o.Program})
}

// each is several models without their mean.
type each struct {
	evaluate.Predictor
	count int
}

// Models implements evaluate.Predictor.
func (e each) Models() []string { return e.Predictor.Models()[:e.count] }

// Predict implements evaluate.Predictor.
func (e each) Predict(ctx context.Context, samples []dataset.Sample) ([][]evaluate.Prediction, error) {
	all, err := e.Predictor.Predict(ctx, samples)
	for i := range all {
		all[i] = all[i][:e.count]
	}
	return all, err
}
