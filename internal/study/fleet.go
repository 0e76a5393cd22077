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

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/runs"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/train"
)

// Fleet is a queue and a store with workers; see Worker. Each training, and each pass of models
// over a test set, is a message of the queue.
type Fleet struct {
	Engine queue.Engine
	Store  store.Store
	Tenant string
	// Pool is that of the workers; see PoolOf.
	Pool string
	// Poll is how often the fleet is looked at; 0: every second.
	Poll time.Duration
}

// Intervals of what is done again and again.
const (
	fleetPoll      = time.Second
	fleetReconcile = 30 * time.Second
)

// Clear takes all messages out of the queue, for a process that uses it alone: those that a killed
// process has held would be delivered only after queue.AckWait. A study puts its own in again.
func (f *Fleet) Clear(ctx context.Context) error {
	_, err := f.Engine.Purge(ctx, "work.>")
	return err
}

// together is a study whose work a fleet does.
type together struct {
	*Plan
	Fleet
	options Options
	book    *runs.Book
	name    string // of the study among the jobs
	key     string // of the study's object
}

// workTogether trains and scores with a fleet.
func (p *Plan) workTogether(ctx context.Context, o Options) (err error) {
	g := &together{Plan: p, Fleet: *o.Fleet, options: o}
	for _, r := range p.untrained() {
		if r.contents != "" {
			return fmt.Errorf("training %s in %s was begun by an earlier version of declip: finish it without a fleet", r.Name(), r.Dir)
		}
	}
	if g.book, err = runs.New(g.Engine, g.Store); err != nil {
		return err
	}
	if g.name, g.key, err = putStudy(ctx, g.Store, p.File); err != nil {
		return err
	}
	if err := g.Engine.Pool(ctx, g.Pool, 1); err != nil {
		return err
	}
	if err := g.trainAll(ctx); err != nil {
		return err
	}
	return g.scoreAll(ctx)
}

// trainAll has all models trained. A training that fails is a problem of its run.
func (g *together) trainAll(ctx context.Context) error {
	todo := g.untrained()
	var tasks []task
	for _, r := range todo {
		tasks = append(tasks, task{V: taskVersion, Kind: taskTrain, Run: r.key, Study: g.key, Runs: []taskRun{r.task()}})
	}
	return g.await(ctx, tasks, func(i int, e runs.Entry) error {
		r := todo[i]
		if e.State == runs.Failed {
			r.Problem = e.Problem
		} else if err := g.receive(ctx, r, e); err != nil {
			return err
		}
		if g.options.Events.Trained != nil {
			g.options.Events.Trained(r)
		}
		return nil
	})
}

func (r *Run) task() taskRun { return taskRun{r.Variant, r.Train, r.key} }

// receive fetches the files of a finished training.
func (g *together) receive(ctx context.Context, r *Run, e runs.Entry) error {
	if err := r.fetch(ctx, g.book, e); err != nil {
		return fmt.Errorf("training %s: %w", r.Name(), err)
	}
	if !r.Done {
		r.Problem = "training: the fleet's result is not that of this training"
		return nil
	}
	// What remains of an interrupted training in this directory must not be resumed.
	err := os.Remove(filepath.Join(r.Dir, train.LastFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// fetch fetches files of a training into r.Dir. r.Done says whether it is this one.
func (r *Run) fetch(ctx context.Context, book *runs.Book, e runs.Entry) error {
	// The facts come last: with them the training counts as done.
	slices.SortStableFunc(e.Files, func(a, b runs.File) int { return cmp.Compare(order(a), order(b)) })
	if err := book.Fetch(ctx, e, r.Dir); err != nil {
		return err
	}
	r.Done = r.readFacts()
	return nil
}

func order(f runs.File) int {
	if f.Name == factsFile {
		return 1
	}
	return 0
}

// scoreAll has the cells filled. A model that fails is a problem of its cells.
func (g *together) scoreAll(ctx context.Context) error {
	passes := g.passes()
	for _, p := range passes {
		for _, r := range p.runs {
			if err := g.publish(ctx, r); err != nil {
				return err
			}
		}
	}
	failed, err := g.scorePasses(ctx, passes)
	if err != nil {
		return err
	}
	var single []pass // find the models that fail
	for _, f := range failed {
		if len(f.runs) == 1 {
			g.blame(f.runs[0], f.set, errors.New(f.problem))
			continue
		}
		for _, r := range f.runs {
			single = append(single, passOf(f.set, r))
		}
	}
	failed, err = g.scorePasses(ctx, single)
	for _, f := range failed {
		g.blame(f.runs[0], f.set, errors.New(f.problem))
	}
	return err
}

// publish gives the workers a model that was trained without them.
func (g *together) publish(ctx context.Context, r *Run) error {
	if r.Dir == "" {
		return nil // a given model, which they have
	}
	return g.book.Publish(ctx, r.key, r.Dir, []string{filepath.Base(r.File), factsFile})
}

// failedPass is a pass with the reason why it failed.
type failedPass struct {
	pass
	problem string
}

// scorePasses has passes done and fills their cells.
func (g *together) scorePasses(ctx context.Context, passes []pass) (failed []failedPass, err error) {
	var tasks []task
	var cells [][]*Cell
	for _, p := range passes {
		t := task{V: taskVersion, Kind: taskTest, Study: g.key, Set: p.set.Name}
		var list []*Cell
		for _, r := range p.runs {
			t.Runs = append(t.Runs, r.task())
			list = append(list, g.open(r, p.set)...)
		}
		for _, c := range list {
			t.Cells = append(t.Cells, c.key)
		}
		t.Run = hash("pass 1", t.Cells)
		tasks, cells = append(tasks, t), append(cells, list)
	}
	return failed, g.await(ctx, tasks, func(i int, e runs.Entry) error {
		if e.State == runs.Failed {
			failed = append(failed, failedPass{passes[i], e.Problem})
			return nil
		}
		return g.fill(ctx, cells[i], e)
	})
}

// problemsFile has the problems of a pass's cells that could not be filled, by their keys.
const problemsFile = "problems.json"

// fill fills cells with the result of a pass.
func (g *together) fill(ctx context.Context, cells []*Cell, e runs.Entry) error {
	dir, err := os.MkdirTemp("", "declip-cells-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := g.book.Fetch(ctx, e, dir); err != nil {
		return err
	}
	problems := map[string]string{}
	if err := readJSON(filepath.Join(dir, problemsFile), &problems); err != nil {
		return err
	}
	for _, c := range cells {
		if c.Problem = problems[c.key]; c.Problem != "" {
			continue
		}
		var s stored
		if err := readJSON(filepath.Join(dir, c.key+".json"), &s); err != nil {
			return err
		}
		if s.Key != c.key {
			return fmt.Errorf("cell %s: the fleet's result has the key %s", c.key, s.Key)
		}
		if err := c.store(&s); err != nil {
			return err
		}
	}
	return nil
}

// await puts tasks in and calls over for each when it is done or has failed.
func (g *together) await(ctx context.Context, tasks []task, over func(i int, e runs.Entry) error) error {
	open := map[int]runs.Entry{}
	for i, t := range tasks {
		if err := g.book.Reset(ctx, t.Run); err != nil {
			return err
		}
		open[i] = runs.Entry{}
	}
	var reconciled time.Time
	for len(open) > 0 {
		due := time.Since(reconciled) >= fleetReconcile
		queued, err := g.queued(ctx, due)
		if err != nil {
			return err
		}
		for i, t := range tasks {
			if _, is := open[i]; !is {
				continue
			}
			// What has left the queue was over before: the queue was listed first.
			ended, e, err := g.look(ctx, t, open[i])
			if err != nil {
				return err
			}
			if open[i] = e; ended {
				delete(open, i)
				err = over(i, e)
			} else if due && !queued[t.Run] {
				err = g.put(ctx, t)
			}
			if err != nil {
				return err
			}
		}
		if due {
			reconciled = time.Now()
		}
		if len(open) == 0 {
			break
		}
		if err := parallel.Sleep(ctx, cmp.Or(g.Poll, fleetPoll)); err != nil {
			return err
		}
	}
	return nil
}

// look looks how far a task is, which was as before when it was last looked at.
func (g *together) look(ctx context.Context, t task, before runs.Entry) (ended bool, e runs.Entry, err error) {
	e, err = g.book.Look(ctx, t.Run)
	switch {
	case errors.Is(err, runs.ErrUnknown), errors.Is(err, store.ErrUnavailable):
		return false, before, nil
	case err != nil:
		return false, e, err
	}
	changed := e.State != before.State || e.Attempt != before.Attempt || e.Step != before.Step || e.Refused != before.Refused
	if changed && g.options.Events.Fleet != nil {
		g.options.Events.Fleet(t.String(), e)
	}
	return e.State != runs.Running, e, nil
}

// String names a task for people.
func (t task) String() string {
	var names []string
	for _, r := range t.Runs {
		names = append(names, strings.TrimSpace(r.Variant+" "+r.Train))
	}
	if t.Kind == taskTrain {
		return "training " + names[0]
	}
	return fmt.Sprintf("testing %s on %s", strings.Join(names, ", "), t.Set)
}

// queued lists the study's tasks in the queue by their runs, if it is due.
func (g *together) queued(ctx context.Context, due bool) (map[string]bool, error) {
	if !due {
		return nil, nil
	}
	filter, err := queue.WorkOfJob(g.Tenant, g.name)
	if err != nil {
		return nil, err
	}
	subjects, err := g.Engine.Subjects(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := map[string]bool{}
	for _, s := range subjects {
		w, err := queue.ParseWork(s)
		if err != nil {
			return nil, err
		}
		list[w.Batch] = true
	}
	return list, nil
}

// put puts a task in, unless it is in the queue.
func (g *together) put(ctx context.Context, t task) error {
	subject, err := queue.Work{Pool: g.Pool, Priority: queue.Normal, Tenant: g.Tenant, Job: g.name, Batch: t.Run}.Subject()
	if err != nil {
		return err
	}
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = g.Engine.Put(ctx, subject, body)
	return err
}
