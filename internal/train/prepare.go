package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// prepare opens everything that a run needs and restores its state to resume it.
func prepare(ctx context.Context, config Config) (*trainer, error) {
	t := &trainer{config: config, began: time.Now()}
	steps := []func() error{t.checkOutput, func() error { return t.openData(ctx) }, t.openNetwork, t.openEngine, func() error { return t.openOutput(ctx) }}
	for _, step := range steps {
		if err := step(); err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

func (t *trainer) openNetwork() (err error) {
	if t.network = t.config.Network; t.network == nil {
		var files []*weights.File
		t.network, files, err = t.config.openNetwork()
		t.files = append(t.files, files...)
		if err != nil {
			return err
		}
	}
	t.config.Spec = t.network.Spec()
	c := t.config
	t.loader, err = dataset.NewLoader(c.TrainSource, c.maker(c.Spec), dataset.LoaderOptions{
		BatchSize: c.BatchSize, Draws: c.Draws, Seed: c.Seed, Workers: c.Workers, Epoch: c.EpochPictures,
		Reuse: c.Cache.Draws, SkipBad: c.SkipBad,
	})
	if err != nil {
		return err
	}
	t.perEpoch = t.loader.StepsPerEpoch()
	t.total = t.perEpoch * int64(c.Epochs)
	return nil
}

func (t *trainer) openData(ctx context.Context) (err error) {
	if t.config.TrainSource == nil {
		if t.config.TrainSource, err = dataset.Open(ctx, t.config.Data, t.config.reading("train")); err != nil {
			return fmt.Errorf("training data: %w", err)
		}
	}
	t.valid = t.config.ValidSource
	if t.valid == nil && t.config.Valid != "" {
		if t.valid, err = dataset.Open(ctx, t.config.Valid, t.config.reading("valid")); err != nil {
			return fmt.Errorf("validation data: %w", err)
		}
	}
	if t.valid != nil && t.valid.Len() == 0 {
		return fmt.Errorf("validation data: %w", dataset.ErrEmpty)
	}
	t.fingerprint = dataset.Fingerprint(t.config.TrainSource)
	t.contents, err = dataset.Contents(ctx, t.config.TrainSource)
	return err
}

// reading says how a data set is read whose given split is used.
func (c Config) reading(split string) dataset.Options {
	o := c.Reading
	o.Lenient = o.Lenient || c.SkipBad
	o.DefaultSplit = split
	o.Labels = o.Labels || c.Supervision == Detection
	return o
}

func (t *trainer) openEngine() (err error) {
	if t.engine = t.config.Engine; t.engine == nil {
		options := engine.Options{Library: t.config.Library, Device: t.config.Device, Threads: t.config.Threads}
		if t.engine, err = engine.Open(options); err != nil {
			return err
		}
	}
	t.config.Threads = t.engine.Info().Threads
	if err := t.openFeatures(); err != nil {
		return err
	}
	t.step, err = newStep(t.engine, t.network, t.config, t.loader.Shape(), t.stepForm())
	return err
}

// stepForm is the form of the training step. A resumed training keeps the operators that it began
// with, so that it ends as it would have without the break.
func (t *trainer) stepForm() network.Form {
	form := stepForm(t.engine)
	if t.resumed {
		form.Training = form.Training && t.operatorsBefore() == trainingOperators
	} else if form.Training {
		t.state.Operators = trainingOperators
	}
	return form
}

// checkOutput prevents a repeated command from overwriting the results of hours. It creates no
// directory, because data and options are not checked yet.
func (t *trainer) checkOutput() error {
	if _, err := os.Stat(t.config.Out); errors.Is(err, os.ErrNotExist) {
		return nil // openOutput checks it again
	}
	return t.claimOutput()
}

// claimOutput locks the output directory and then, when no other training can write to it, looks
// whether its files may be written.
func (t *trainer) claimOutput() error {
	if err := t.lockOutput(); err != nil {
		return err
	}
	has, err := t.results()
	if err != nil {
		return err
	}
	switch {
	case t.config.Force: // openOutput removes them, when data and options are checked
		return nil
	case t.config.Resume && has[LastFile]:
		t.resumed = true
		return nil
	case t.config.Resume && has[bestFile]:
		return fmt.Errorf("%w: %s has %s but no %s to resume from; restore it, choose another directory, or use --force",
			ErrOccupied, t.config.Out, bestFile, LastFile)
	case t.config.Resume:
		return t.checkLog()
	}
	for _, name := range resultFiles {
		if has[name] {
			return fmt.Errorf("%w: %s has %s; resume it, choose another directory, or use --force", ErrOccupied, t.config.Out, name)
		}
	}
	return nil
}

// resultFiles are the files of a training that another one must not replace.
var resultFiles = []string{LastFile, bestFile, logFile}

// results tells which result files the output directory has. An empty log is none.
func (t *trainer) results() (map[string]bool, error) {
	has := map[string]bool{}
	for _, name := range resultFiles {
		info, err := os.Lstat(filepath.Join(t.config.Out, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("output: %w", err)
		}
		has[name] = err == nil && (name != logFile || info.Size() > 0)
	}
	return has, nil
}

// removeResults removes what the new training would otherwise leave next to its own results.
func (t *trainer) removeResults() error {
	for _, name := range resultFiles {
		if err := os.Remove(filepath.Join(t.config.Out, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("output: %w", err)
		}
	}
	return nil
}

// checkLog refuses to start over in a directory whose checkpoints are gone: its log would be cut. A
// log of one epoch may be that of a run killed before its first checkpoint.
func (t *trainer) checkLog() error {
	data, err := os.ReadFile(filepath.Join(t.config.Out, logFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("output: %w", err)
	}
	if n := bytes.Count(data, []byte(`"event":"epoch"`)); n > 1 {
		return fmt.Errorf("%w: %s has a %s of %d epochs but no %s to resume from; restore it, choose another directory, or use --force",
			ErrOccupied, t.config.Out, logFile, n, LastFile)
	}
	return nil
}

func (t *trainer) openOutput(ctx context.Context) (err error) {
	if t.lock == nil {
		if err := os.MkdirAll(t.config.Out, 0o755); err != nil {
			return fmt.Errorf("output: %w", err)
		}
		if err := t.claimOutput(); err != nil {
			return err
		}
	}
	if t.config.Force {
		if err := t.removeResults(); err != nil {
			return err
		}
	}
	if t.config.Average > 0 {
		t.average = newAverage(t.config.Average, t.step.Params())
	}
	t.saved = -1
	event := record{Event: "start", Options: &t.config}
	if t.resumed {
		if err := t.restore(ctx); err != nil {
			return err
		}
		event.Event, event.Step, event.Epoch = "resume", t.state.Step, t.state.Epoch
		t.saved = t.state.Step
	}
	t.began = time.Now().Add(-t.state.Elapsed)
	t.epochBegan = time.Now()
	if t.recorder, err = openRecorder(t.config, event.Event == "resume", t.state); err != nil {
		return err
	}
	if t.config.Hooks.Start != nil {
		t.config.Hooks.Start(t.config, t.about())
	}
	return t.recorder.add(event)
}

// elapsed is the time that all runs of this training took.
func (t *trainer) elapsed() time.Duration { return time.Since(t.began) }

func (t *trainer) close() {
	if t.step != nil {
		t.step.Close()
	}
	if t.backbones != nil {
		t.backbones.Close()
	}
	if t.cache != nil {
		t.cache.Close()
	}
	for _, f := range t.files {
		f.Close()
	}
	if t.recorder != nil {
		t.recorder.close()
	}
	if t.lock != nil {
		t.lock.Close()
	}
}

// about describes the training for Hooks.Start.
func (t *trainer) about() About {
	a := About{Steps: t.total, PerEpoch: t.perEpoch, Trained: trained(t.network), Pictures: t.config.TrainSource.Len()}
	if t.resumed {
		state := t.state
		a.Resumed = &state
	}
	for _, u := range t.network.Uses() {
		a.Frozen = append(a.Frozen, fmt.Sprintf("%s (%s)", u.Backbone.Arch(), u.Backbone.Path()))
	}
	return a
}

// trained counts the trainable values.
func trained(m Network) (count int) {
	for _, p := range m.Params() {
		if p.Trainable {
			count += len(p.Data)
		}
	}
	return count
}

func (t *trainer) summary(err error) Summary {
	s := Summary{State: t.state, Score: t.score, TimeUp: t.timeUp, Device: t.engine.Info().Device}
	s.Interrupted = errors.Is(err, ErrInterrupted)
	s.Parameters = trained(t.network)
	s.Last = filepath.Join(t.config.Out, LastFile)
	if t.state.BestEpoch > 0 {
		s.Best = filepath.Join(t.config.Out, bestFile)
	}
	return s
}
