package cli

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
)

// jobsRunOptions are the flags of "declip jobs run".
type jobsRunOptions struct {
	modelOptions
	pictureJobOptions
	jobs  jobsOptions
	batch int
	slots int
	out   string
	json  bool
}

// AddFlags declares the flags with their defaults.
func (o *jobsRunOptions) AddFlags(f *pflag.FlagSet) {
	o.modelOptions.AddFlags(f)
	o.pictureJobOptions.AddFlags(f)
	addBatchFlag(f, &o.batch)
	f.IntVar(&o.slots, "slots", 1, "batches that are worked on at the same time")
	f.StringVarP(&o.out, "out", "o", "", "`file` for the results, .jsonl or .parquet (default: results/JOB.jsonl in the directory of --jobs)")
	f.BoolVar(&o.json, "json", false, "print the job's status at the end as one line of JSON instead of text")
	o.jobs.AddFlags(f)
}

func (o *jobsRunOptions) check(cmd *cobra.Command) error {
	switch {
	case o.jobs.nats.url != "":
		return usagef(cmd, "jobs run has its own queue: with --nats, use \"jobs submit\" and \"worker\"")
	case o.out != "" && formatOf(o.out) == "":
		return usagef(cmd, "--out %s: expected a name that ends in .jsonl or .parquet", o.out)
	}
	for _, err := range []error{
		o.modelOptions.check(cmd), o.pictureJobOptions.check(cmd), checkBatch(cmd, o.batch), checkSlots(cmd, o.slots), o.jobs.check(cmd),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkSlots(cmd *cobra.Command, slots int) error {
	const most = 1024
	if slots < 1 || slots > most {
		return usagef(cmd, "--slots %d: expected 1 to %d", slots, most)
	}
	return nil
}

// formatOf is the format of results by a file's name, "" for another name.
func formatOf(name string) string {
	for _, format := range schema.Formats {
		if strings.HasSuffix(strings.ToLower(name), "."+format) {
			return format
		}
	}
	return ""
}

func (a *app) newJobsRun() *cobra.Command {
	var o jobsRunOptions
	cmd := &cobra.Command{
		Use:   "run [flags] PATH...",
		Short: "Run a job on this machine",
		Long: `Localize manipulations in all pictures of the paths, as "declip localize" does,
with a queue and a store in a directory (--jobs). If it is stopped, by Ctrl-C, a
crash or a power failure, the same command continues the job: the pictures, the
model and the options say which job it is.

The results are one record for each picture, in the order of the paths, as JSON
lines or Parquet (-o). A picture that cannot be read has a record that says why; a
picture of which the program dies again and again is given up. Maps of flagged
pictures, or of all (--maps), are kept in the store.

The exit code is 1 if a picture failed.`,
		Example: `  declip jobs run photos/
  declip jobs run -m declip-vit-ldm --maps all -o results.parquet photos/`,
		Args: somePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.runJobsRun(cmd, o, args)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runJobsRun(cmd *cobra.Command, o jobsRunOptions, paths []string) error {
	saveMemory()
	ctx := cmd.Context()
	found := a.collectItems(paths, o.jobs.dir)
	if len(found.items) == 0 {
		return a.summarize(found.failed, found.failed)
	}
	digest, err := localize.Digest(ctx, o.models, o.digestOptions())
	if err != nil {
		return wrongNetwork(cmd, o.network, sayClip(err))
	}
	model, err := a.open(cmd, o.modelOptions, localize.Options{})
	if err != nil {
		return err
	}
	defer model.Close()
	h, err := a.openJobs(ctx, o.jobs, nil, a.quietLog())
	if err != nil {
		return err
	}
	defer h.Close()
	job, err := a.submitLocal(ctx, h, o, &found, digest, model)
	if err != nil {
		return err
	}
	st, err := a.runLocal(ctx, h, o, &job, model)
	if err != nil {
		if ctx.Err() != nil {
			a.say("stopped: the same command continues job %s\n", job.ID)
		}
		return err
	}
	return a.finishLocal(ctx, h, o, st, found.failed)
}

// submitLocal submits the job, or finds the same one of an earlier run and continues it.
func (a *app) submitLocal(ctx context.Context, h *jobsHome, o jobsRunOptions, found *localItems, digest string, model *localize.Model) (schema.Job, error) {
	class := classOf(model)
	options, err := json.Marshal(o.options)
	if err != nil {
		return schema.Job{}, err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s", found.hash, digest, class, options))
	job, existed, err := h.Submit(ctx, jobs.Request{
		Tenant: o.jobs.tenant, Key: fmt.Sprintf("%x", key), Source: localSource, Model: model.Name(), Digest: digest,
		Class: class, Priority: queue.Priority(o.priority), Options: o.options, Items: found.seq(),
	})
	if err != nil || !existed {
		return job, err
	}
	switch job.State {
	case schema.Paused, schema.Failed:
		err = h.Resume(ctx, job.Tenant, job.ID)
	case schema.Cancelled:
		return job, fmt.Errorf("job %s with these pictures was cancelled: remove it with \"declip jobs rm %s\" to run it again", job.ID, job.ID)
	case schema.Done:
		a.notice(fmt.Sprintf("job %s with these pictures is done: remove it with \"declip jobs rm %s\" to run it again", job.ID, job.ID))
	default:
		a.notice(fmt.Sprintf("continuing job %s", job.ID))
	}
	return job, err
}

// errJobOver ends the context of what works on a job that is over.
var errJobOver = errors.New("the job is over")

// runLocal dispatches and works on a job until it is over.
func (a *app) runLocal(ctx context.Context, h *jobsHome, o jobsRunOptions, job *schema.Job, model *localize.Model) (st jobs.Status, err error) {
	pool, err := job.Pool()
	if err != nil {
		return st, err
	}
	bar := a.newProgress(job.Items, "localizing")
	defer bar.finish()
	// The worker need not wait for the dispatcher to open its pool.
	if err := h.Engine.Pool(ctx, pool, o.slots); err != nil {
		return st, err
	}
	group, inner := parallel.WithContext(ctx)
	log := a.quietLog()
	group.Go(func() error { return h.dispatch(inner, log) })
	group.Go(func() error {
		parts := workerParts{name: processName(), engine: h.Engine, store: h.Store, sources: h.Sources, slots: o.slots, log: log}
		return parts.work(inner, map[string]worker.Work{pool: &localizeWork{model: model, batch: o.batch}})
	})
	group.Go(func() error {
		for now, err := range h.Watch(inner, job.Tenant, job.ID) {
			if err != nil {
				return err
			}
			bar.set(now.Done)
			st = now
		}
		return errJobOver
	})
	if err := group.Wait(); !errors.Is(err, errJobOver) {
		return st, err
	}
	return st, nil
}

// finishLocal writes the results of a job that is over and prints its end.
func (a *app) finishLocal(ctx context.Context, h *jobsHome, o jobsRunOptions, st jobs.Status, unread int) error {
	if st.State != schema.Done {
		return fmt.Errorf("job %s: %s: %s", st.ID, st.State, st.Error)
	}
	out := o.out
	if out == "" {
		out = filepath.Join(o.jobs.dir, "results", st.ID+"."+schema.FormatJSONL)
	}
	if err := writeResults(ctx, h.Service, o.jobs.tenant, st.ID, jobs.ResultsOptions{Format: formatOf(out)}, out); err != nil {
		return err
	}
	if o.json {
		if err := printJSON(&progress{}, a.stdout, st); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.stdout, "job %s: %s, %d flagged, %d failed\nresults: %s\n", st.ID, plural(st.Items, "picture"), st.Flagged, st.Failed, quoted(out))
	}
	return a.summarize(st.Failed+unread, st.Items+unread)
}

// writeResults writes the results of a job to a file, all of them or none.
func writeResults(ctx context.Context, s *jobs.Service, tenant, id string, o jobs.ResultsOptions, path string) error {
	dir, err := store.OpenDir(filepath.Dir(path), store.Options{})
	if err != nil {
		return err
	}
	defer dir.Close()
	r, w := io.Pipe()
	group, ctx := parallel.WithContext(ctx)
	group.Go(func() error {
		_, err := s.Results(ctx, tenant, id, o, w)
		w.CloseWithError(err)
		return err
	})
	group.Go(func() error {
		err := dir.Put(ctx, filepath.Base(path), r)
		r.CloseWithError(err)
		return err
	})
	return group.Wait()
}
