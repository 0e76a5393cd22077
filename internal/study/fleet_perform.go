package study

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/declip/declip/internal/jobs/runs"
	"github.com/declip/declip/internal/train"
)

// saver stores the checkpoints of a training.
type saver struct {
	worker *Worker
	claim  *runs.Claim
	dir    string
	stop   context.CancelCauseFunc
	step   int64
	last   time.Time
	lost   error
}

// saved is called when a training has written a file.
func (s *saver) saved(ctx context.Context, path string) {
	stopping := ctx.Err() != nil
	if filepath.Base(path) != train.LastFile || s.lost != nil || !stopping && time.Since(s.last) < cmp.Or(s.worker.SaveEvery, saveEvery) {
		return
	}
	if stopping {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
	}
	names, err := runFiles(s.dir)
	if err == nil {
		err = s.claim.Save(ctx, s.step, s.dir, names)
	}
	switch {
	case errors.Is(err, runs.ErrLost):
		s.lost = err
		s.stop(err)
	case err != nil: // the checkpoint before stays
		s.worker.Log.Error("a checkpoint could not be stored", "error", err)
	default:
		s.last = time.Now()
	}
}

// runFiles lists the files of a training.
func runFiles(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// train trains a model, from its last checkpoint if there is one.
func (w *Worker) train(ctx context.Context, claim *runs.Claim, p *Plan, r *Run) error {
	r.Dir = filepath.Join(w.Dir, "runs", r.key)
	r.File = filepath.Join(r.Dir, filepath.Base(r.File))
	if err := os.RemoveAll(r.Dir); err != nil { // of an attempt that this worker has lost
		return err
	}
	defer os.RemoveAll(r.Dir)
	if err := w.book.Fetch(ctx, claim.Entry, r.Dir); err != nil {
		return refuse(ctx, claim, err)
	}
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &saver{worker: w, claim: claim, dir: r.Dir, stop: stop, step: claim.Step, last: time.Now()}
	var hooks train.Hooks
	if w.Hooks != nil {
		hooks = w.Hooks(r)
	}
	stepped := hooks.Step
	hooks.Step = func(report train.StepReport) {
		s.step = report.Step
		if stepped != nil {
			stepped(report)
		}
	}
	hooks.Saved = func(path string) { s.saved(inner, path) }
	err := p.trainOne(inner, w.engine, w.Options, r, hooks)
	switch {
	case s.lost != nil:
		return s.lost
	case ctx.Err() != nil:
		return w.release(ctx, claim)
	case err != nil:
		return refuse(ctx, claim, err)
	case r.Problem != "":
		return claim.Fail(ctx, r.Problem)
	}
	names, err := runFiles(r.Dir)
	if err != nil {
		return err
	}
	return claim.Finish(ctx, r.Dir, names)
}

// test fills the cells of a task.
func (w *Worker) test(ctx context.Context, claim *runs.Claim, p *Plan, t task, list []*Run) error {
	out, err := os.MkdirTemp(w.Dir, "pass-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	own, err := w.ownPlan(ctx, p, t, list, out)
	switch {
	case ctx.Err() != nil:
		return w.release(ctx, claim)
	case err != nil:
		return refuse(ctx, claim, fmt.Errorf("worker %s: %w", w.ID, err))
	}
	err = own.scoreTogether(ctx, w.Options, pass{own.Cells[0].set, list})
	switch {
	case ctx.Err() != nil:
		return w.release(ctx, claim)
	case err != nil:
		return claim.Fail(ctx, err.Error())
	}
	names, err := own.collect(out)
	if err != nil {
		return err
	}
	return claim.Finish(ctx, out, names)
}

// ownPlan is a plan of the task's cells alone, with the files of its models.
func (w *Worker) ownPlan(ctx context.Context, p *Plan, t task, list []*Run, out string) (*Plan, error) {
	own := *p
	own.File.Out, own.Runs, own.Cells = out, list, nil
	i := slices.IndexFunc(p.sets, func(s *set) bool { return s.Name == t.Set })
	if i < 0 || p.sets[i].test == nil {
		return nil, fmt.Errorf("test set %s cannot be opened: %s", t.Set, w.problem(p, i))
	}
	for _, r := range list {
		if err := w.fetchModel(ctx, r); err != nil {
			return nil, err
		}
		for _, like := range p.Cells {
			if like.set != p.sets[i] || like.Run.Variant != r.Variant || like.Run.Train != r.Train {
				continue
			}
			c := &Cell{Run: r, Test: like.Test, Treatment: like.Treatment, Pictures: like.Pictures, set: like.set}
			own.settleCell(c, r, own.File.Evaluation.Threshold)
			if slices.Contains(t.Cells, c.key) {
				own.Cells = append(own.Cells, c)
			}
		}
	}
	if len(own.Cells) != len(t.Cells) {
		return nil, fmt.Errorf("test set %s: its data or the options differ here from those of the study", t.Set)
	}
	return &own, nil
}

func (w *Worker) problem(p *Plan, i int) string {
	if i < 0 {
		return "the study has none of this name"
	}
	return p.sets[i].problem
}

// fetchModel fetches a model that was trained for the study.
func (w *Worker) fetchModel(ctx context.Context, r *Run) error {
	if r.Dir == "" {
		return nil // a given model, under its path
	}
	r.Dir = filepath.Join(w.Dir, "models", r.key)
	r.File = filepath.Join(r.Dir, filepath.Base(r.File))
	if r.Done = r.readFacts(); r.Done {
		return nil
	}
	e, err := w.book.Look(ctx, r.key)
	if err != nil {
		return fmt.Errorf("model %s: %w", r.Name(), err)
	}
	e.Files = slices.DeleteFunc(e.Files, func(f runs.File) bool { return f.Name != factsFile && f.Name != filepath.Base(r.File) })
	if err := r.fetch(ctx, w.book, e); err != nil {
		return fmt.Errorf("model %s: %w", r.Name(), err)
	}
	if !r.Done {
		return fmt.Errorf("model %s: the store holds another training", r.Name())
	}
	return nil
}

// collect puts the files of the cells into a directory, under names that follow from their keys.
func (p *Plan) collect(dir string) (names []string, err error) {
	problems := map[string]string{}
	for _, c := range p.Cells {
		if !c.Done {
			problems[c.key] = c.Problem
			continue
		}
		if err := os.Rename(c.Path, filepath.Join(dir, c.key+".json")); err != nil {
			return nil, err
		}
		names = append(names, c.key+".json")
	}
	text, err := json.Marshal(problems)
	if err != nil {
		return nil, err
	}
	return append(names, problemsFile), os.WriteFile(filepath.Join(dir, problemsFile), text, 0o600)
}
