package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/runs"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/study"
)

// fleetOptions are the flags that say which workers do the work of a study.
type fleetOptions struct {
	where jobsOptions
	class string
}

// AddFlags declares the flags with their defaults.
func (o *fleetOptions) AddFlags(f *pflag.FlagSet) {
	section(f, "Trainings and tests as jobs", func(f *pflag.FlagSet) {
		f.StringVar(&o.where.dir, "jobs", "", "`directory` with a queue and a store of this machine, created if needed: trainings and tests become jobs in it")
		o.where.nats.AddFlags(f)
		f.StringVar(&o.where.store, "store", "", "`URL` of the store that goes with --nats, such as s3://bucket/prefix or file:///srv/declip")
		f.StringVar(&o.where.tenant, "tenant", jobs.DefaultTenant, "whose jobs they are")
		f.StringVar(&o.class, "class", string(queue.CPU), "workers' devices with --nats: cpu or gpu")
	})
}

// flags are the names of the flags.
func (o *fleetOptions) flags() (names []string) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(fleetOptions).AddFlags(f)
	f.VisitAll(func(one *pflag.Flag) { names = append(names, one.Name) })
	return names
}

// used tells whether the study's work is done as jobs.
func (o *fleetOptions) used() bool { return o.where.dir != "" || o.where.nats.url != "" }

func (o *fleetOptions) check(cmd *cobra.Command) error {
	switch {
	case o.where.dir != "" && o.where.nats.url != "":
		return usagef(cmd, "--jobs and --nats exclude each other")
	case o.class != string(queue.CPU) && o.class != string(queue.GPU):
		return usagef(cmd, "--class %q: expected cpu or gpu", o.class)
	case o.used() || o.where.store != "":
		return o.where.check(cmd)
	}
	return nil
}

// doStudy does the work of a study: in this process, or as jobs.
func (a *app) doStudy(ctx context.Context, p *study.Plan, o study.Options, fleet fleetOptions) (err error) {
	if !fleet.used() {
		return p.Do(ctx, o)
	}
	log := a.quietLog()
	h, err := a.openJobs(ctx, fleet.where, nil, log)
	if err != nil {
		return err
	}
	defer func() {
		if closed := h.Close(); err == nil {
			err = closed
		}
	}()
	o.Fleet = &study.Fleet{Engine: h.Engine, Store: h.Store, Tenant: fleet.where.tenant}
	if !h.alone {
		if o.Fleet.Pool, err = queue.TrainPool(fleet.class); err != nil {
			return err
		}
		return p.Do(ctx, o)
	}
	// No other process can use the queue: this one is the worker, too.
	if o.Fleet.Pool, err = study.PoolOf(o); err != nil {
		return err
	}
	if err := o.Fleet.Clear(ctx); err != nil {
		return err
	}
	w := &study.Worker{
		ID: processName(), Engine: h.Engine, Store: h.Store, Pool: o.Fleet.Pool, Dir: filepath.Join(fleet.where.dir, "work"),
		Options: study.Options{Library: o.Library, Device: o.Device, Threads: o.Threads, Program: o.Program}, Version: version(), Log: log,
	}
	group, inner := parallel.WithContext(ctx)
	working, stop := context.WithCancel(inner)
	group.Go(func() error {
		err := w.Run(working)
		if working.Err() != nil {
			return nil //nolint:nilerr // it was asked to stop
		}
		return err
	})
	group.Go(func() error {
		defer stop()
		return p.Do(inner, o)
	})
	return group.Wait()
}

// fleet announces what the workers of a study have begun, and their checkpoints.
func (s *studyProgress) fleet(what string, e runs.Entry) {
	switch {
	case e.State == runs.Done:
		fmt.Fprintf(s.app.stdout, "%s: done\n", what)
	case e.State != runs.Running: // the study prints its problem
	case e.Refused > 0:
		s.app.notice(fmt.Sprintf("%s: %s", what, e.Problem))
	case e.Step > 0:
		fmt.Fprintf(s.app.stdout, "%s: worker %s, checkpoint at step %d\n", what, e.Worker, e.Step)
	case e.Worker != "":
		fmt.Fprintf(s.app.stdout, "%s: worker %s\n", what, e.Worker)
	}
}
