package study

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/declip/declip/internal/jobs/runs"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/internal/train/features"
)

// Options say on what a study runs, and who is informed of its progress.
type Options struct {
	Library, Device string
	Threads         int
	Program         string          // version of declip, for the provenance of scores
	Versions        []report.Option // of the program, for the report
	Events          Events
	// Fleet has the workers that train and test; nil: this process does.
	Fleet *Fleet
}

// Events are called during a study, never concurrently. Any may be nil.
type Events struct {
	Training func(r *Run, number, of int) train.Hooks  // a training starts or resumes
	Trained  func(r *Run)                              // it has ended; r.Problem is set if it failed
	Scoring  func(test string, models, number, of int) // a pass: models are tested on a set
	Scored   func(done, total int)                     // pictures of that pass are finished
	Drawing  func()                                    // the pictures for the report are made
	// Fleet: a training or a pass of the fleet has begun, has a new checkpoint or is done.
	Fleet func(what string, e runs.Entry)
}

// Do trains the untrained models, fills the missing cells and writes the report. Failures, panics
// included, are recorded in the plan, and the rest continues. The error is that the engine is
// missing, that another process works in the study's directory, that results could not be written,
// or that ctx ended; the report then contains the results so far.
func (p *Plan) Do(ctx context.Context, o Options) error {
	e, err := engine.Open(engine.Options{Library: o.Library, Device: o.Device, Threads: o.Threads})
	if err != nil {
		return err
	}
	release, err := p.occupy()
	if err != nil {
		return err
	}
	defer func() { _ = release() }() // nothing was written to the lock
	if err := p.recordAdopted(); err != nil {
		return err
	}
	began := time.Now()
	err = p.work(ctx, e, o)
	if err != nil && ctx.Err() == nil {
		return err
	}
	// An interrupted study still shows what it has.
	shown, pictureErr := p.pictures(context.WithoutCancel(ctx), o, err == nil)
	r := p.results(e.Info(), o.Versions)
	r.Pictures = shown
	r.Time = began
	p.Summary = report.Analyze(r).Summary()
	return errors.Join(err, pictureErr, report.Write(p.File.Out, r))
}

// work trains and scores.
func (p *Plan) work(ctx context.Context, e *engine.Engine, o Options) error {
	if o.Fleet != nil {
		return p.workTogether(ctx, o)
	}
	todo := p.untrained()
	for i, r := range todo {
		if err := p.train(ctx, e, o, r, i+1, len(todo)); err != nil {
			return err
		}
	}
	return p.score(ctx, o)
}

// untrained lists the models that are to be trained.
func (p *Plan) untrained() []*Run {
	return slices.DeleteFunc(slices.Clone(p.Runs), func(r *Run) bool { return r.Done || r.Problem != "" })
}

// train trains one model. Its error is that ctx ended, or that the result could not be written.
func (p *Plan) train(ctx context.Context, e *engine.Engine, o Options, r *Run, number, of int) error {
	var hooks train.Hooks
	if o.Events.Training != nil {
		hooks = o.Events.Training(r, number, of)
	}
	if err := p.trainOne(ctx, e, o, r, hooks); err != nil {
		return err
	}
	if o.Events.Trained != nil {
		o.Events.Trained(r)
	}
	return nil
}

// trainOne trains one model in r.Dir and fills in r.Problem, or r.Done and the facts. Its error is
// that of train.
func (p *Plan) trainOne(ctx context.Context, e *engine.Engine, o Options, r *Run, hooks train.Hooks) error {
	c := r.config
	c.Engine, c.Library, c.Device, c.Threads, c.Resume = e, o.Library, o.Device, o.Threads, true
	c.SaveSteps = 200 // what a killed study loses at most
	c.Out, c.Hooks = r.Dir, hooks
	if err := p.setCache(&c); err != nil {
		return err
	}
	var s train.Summary
	err := parallel.Catch(func() (err error) {
		s, err = train.Run(ctx, c)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		r.Problem = "training: " + err.Error()
	case s.Best == "":
		r.Problem = "training ended without a checkpoint"
	default:
		return r.finish(s)
	}
	return nil
}

// setCache turns on the cache of frozen backbones' features. A study of layers computes those of
// all layers in one pass.
func (p *Plan) setCache(c *train.Config) (err error) {
	f := p.File.Cache
	if f.Off {
		return nil
	}
	if c.Cache.Dir = f.Dir; c.Cache.Dir == "" {
		if c.Cache.Dir, err = features.DefaultDir(); err != nil {
			return err
		}
	}
	if f.SizeGB > 0 {
		c.Cache.Size = int64(f.SizeGB * (1 << 30))
	}
	if p.File.Kind == report.Layers {
		c.Cache.Layers = p.variants
	}
	return nil
}

// finish stores the facts about a training and removes the checkpoint that only resuming needs.
func (r *Run) finish(s train.Summary) error {
	r.facts = facts{Key: r.key, Model: r.Model, Parameters: s.Parameters, Epochs: s.State.Epoch, BestEpoch: s.State.BestEpoch,
		Seconds: s.State.Elapsed.Seconds(), Device: s.Device}
	if s.Score != nil {
		r.facts.ValidIoU = &s.Score.IoU
	}
	if err := writeJSON(filepath.Join(r.Dir, factsFile), r.facts); err != nil {
		return err
	}
	r.Done = true
	if err := os.Remove(s.Last); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("training %s: %w", r.Train, err)
	}
	return nil
}

// Name is the run's variant and training set.
func (r *Run) Name() string { return strings.TrimSpace(r.Variant + " " + r.Train) }

// Spent is the training's duration without interruptions.
func (r *Run) Spent() time.Duration { return time.Duration(r.facts.Seconds * float64(time.Second)) }
