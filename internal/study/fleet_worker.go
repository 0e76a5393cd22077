package study

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/runs"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/train"
)

// Worker trains and tests the models of studies. It needs their data sets, given models and
// backbones under the same paths as the process that plans the study; with other contents it
// refuses.
type Worker struct {
	// ID names the worker: letters, digits, - and _.
	ID     string
	Engine queue.Engine
	Store  store.Store
	// Pool is what to take from; see PoolOf.
	Pool string
	// Dir is for trainings under way.
	Dir string
	// Options say on what to run; only Library, Device, Threads and Program are used.
	Options Options
	// SaveEvery is how often checkpoints are stored; 0: every two minutes.
	SaveEvery time.Duration
	// Hooks, if set, are called during trainings.
	Hooks   func(r *Run) train.Hooks
	Version string // of the program, for people
	Log     *slog.Logger

	book   *runs.Book
	engine *engine.Engine
	leases queue.Bucket
	study  string // object of plan
	plan   *Plan  // that was worked on last
}

// PoolOf is the pool of the workers with the device that the options choose on this machine.
func PoolOf(o Options) (string, error) {
	e, err := engine.Open(engine.Options{Library: o.Library, Device: o.Device, Threads: o.Threads})
	if err != nil {
		return "", err
	}
	if e.Info().Device == "cpu" {
		return queue.TrainPool(string(queue.CPU))
	}
	return queue.TrainPool(string(queue.GPU))
}

// Limits of a worker.
const (
	saveEvery   = 2 * time.Minute
	mostStarts  = 3 // of a run without a new checkpoint, by workers that died
	mostRefused = 5 // workers in a row
	refuseDelay = 5 * time.Second
	endTimeout  = time.Minute // for what is stored when the worker stops
)

// Run works until ctx ends and returns its cause then. A training that is under way is stored
// first, and continued by another worker.
func (w *Worker) Run(ctx context.Context) (err error) {
	if err := queue.CheckToken(w.ID); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	w.Options.Events = Events{} // which the study's own process may call at the same time
	if err := os.MkdirAll(w.Dir, 0o755); err != nil {
		return err
	}
	if w.book, err = runs.New(w.Engine, w.Store); err != nil {
		return err
	}
	if w.leases, err = w.Engine.Bucket(queue.BucketLeases); err != nil {
		return err
	}
	o := engine.Options{Library: w.Options.Library, Device: w.Options.Device, Threads: w.Options.Threads}
	if w.engine, err = engine.Open(o); err != nil {
		return err
	}
	taker, err := w.Engine.Take(ctx, queue.TakeOptions{Pools: []string{w.Pool}})
	if err != nil {
		return err
	}
	defer taker.Close()
	group, ctx := parallel.WithContext(ctx)
	group.Go(func() error { return w.live(ctx) })
	group.Go(func() error {
		for {
			lease, err := taker.Take(ctx)
			if err != nil {
				return err
			}
			w.handle(ctx, lease)
		}
	})
	return group.Wait()
}

// live says in the queue that the worker lives, until ctx ends: dispatchers open its pool then.
func (w *Worker) live(ctx context.Context) error {
	key, err := queue.WorkerKey(w.ID)
	if err != nil {
		return err
	}
	value, err := schema.Encode(&schema.Worker{V: schema.Version, ID: w.ID, Pools: []string{w.Pool}, Slots: 1, Version: w.Version})
	if err != nil {
		return err
	}
	for {
		if _, err := w.leases.Put(ctx, key, value); err != nil {
			return err
		}
		if err := parallel.Sleep(ctx, queue.LeaseRenew); err != nil {
			return err
		}
	}
}

// handle performs a task and ends its message.
func (w *Worker) handle(ctx context.Context, lease queue.Lease) {
	resting, rest := context.WithCancel(context.WithoutCancel(ctx))
	beats := parallel.Go(func() error { w.beat(resting, lease); return nil })
	err := parallel.Catch(func() error { return w.perform(ctx, lease.Body()) })
	rest()
	<-beats //nolint:errcheck // beating has no error
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	var failed error
	switch {
	case err == nil, errors.Is(err, runs.ErrOver):
		failed = lease.Done(end)
	case errors.Is(err, runs.ErrLost): // the message is the other worker's
		w.Log.Warn("another worker has taken over", "message", lease.Subject())
	case errors.Is(err, errTask):
		w.Log.Error("a message cannot be read", "message", lease.Subject(), "error", err)
		failed = lease.Term(end)
	case ctx.Err() != nil:
		failed = lease.Drop(end, 0)
	default:
		w.Log.Error("a task is left to other workers", "message", lease.Subject(), "error", err)
		failed = lease.Drop(end, refuseDelay)
	}
	if failed != nil {
		w.Log.Warn("a message could not be returned to the queue: it is delivered again later", "message", lease.Subject(), "error", failed)
	}
}

// beat says that a message is worked on, until ctx ends.
func (w *Worker) beat(ctx context.Context, lease queue.Lease) {
	queue.KeepBeating(ctx, lease, func(err error) {
		w.Log.Warn("a task may be given to another worker", "message", lease.Subject(), "error", err)
	})
}

// perform performs a task, and says in the book what became of it.
func (w *Worker) perform(ctx context.Context, body []byte) error {
	t, err := decodeTask(body)
	if err != nil {
		return err
	}
	claim, err := w.book.Claim(ctx, t.Run, w.ID)
	if err != nil {
		return err
	}
	if claim.Starts > mostStarts {
		return claim.Fail(ctx, fmt.Sprintf("%s: %d workers died of it one after the other, the last time after step %d", t, mostStarts, claim.Step))
	}
	w.Log.Info("began", "task", t.String(), "attempt", claim.Attempt, "step", claim.Step)
	p, list, err := w.open(ctx, t)
	switch {
	case ctx.Err() != nil:
		return w.release(ctx, claim)
	case err != nil:
		w.plan = nil // the data may be there the next time
		return refuse(ctx, claim, fmt.Errorf("worker %s: %w", w.ID, err))
	case t.Kind == taskTrain:
		return w.train(ctx, claim, p, list[0])
	}
	return w.test(ctx, claim, p, t, list)
}

// release gives a run back, because the worker stops.
func (w *Worker) release(ctx context.Context, claim *runs.Claim) error {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	return errors.Join(context.Cause(ctx), claim.Release(end))
}

// refuse leaves a run to other workers, or gives it up if several have refused it.
func refuse(ctx context.Context, claim *runs.Claim, reason error) error {
	if claim.Refused+1 >= mostRefused {
		return claim.Fail(ctx, reason.Error())
	}
	return errors.Join(reason, claim.Refuse(ctx, reason.Error()))
}

// open opens the study of a task and finds the models of the task in it: they must be exactly those
// that are meant, with the same data.
func (w *Worker) open(ctx context.Context, t task) (*Plan, []*Run, error) {
	if w.study != t.Study || w.plan == nil {
		f, err := getStudy(ctx, w.Store, t.Study)
		if err != nil {
			return nil, nil, err
		}
		f.Out = filepath.Join(w.Dir, "study")
		if w.plan, err = NewPlan(ctx, f); err != nil {
			return nil, nil, err
		}
		w.study = t.Study
	}
	var list []*Run
	for _, want := range t.Runs {
		i := slices.IndexFunc(w.plan.Runs, func(r *Run) bool { return r.Variant == want.Variant && r.Train == want.Train })
		if i < 0 {
			return nil, nil, fmt.Errorf("the study has no model %s %s", want.Variant, want.Train)
		}
		r := *w.plan.Runs[i] // the task's own
		switch {
		case r.Problem != "":
			return nil, nil, fmt.Errorf("model %s: %s", r.Name(), r.Problem)
		case r.key != want.Key && (t.Kind == taskTrain || len(w.plan.File.Models) > 0):
			return nil, nil, fmt.Errorf("model %s: its data, files or options differ here from those of the study, or this is another version of declip", r.Name())
		}
		r.key = want.Key // of trainings that an earlier version stored, it is another one
		list = append(list, &r)
	}
	return w.plan, list, nil
}
