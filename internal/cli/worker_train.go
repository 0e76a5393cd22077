package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/study"
)

// checkTrain checks the flags of a worker that trains.
func (o *workerOptions) checkTrain(cmd *cobra.Command) error {
	if !o.train {
		if o.dir != "" {
			return usagef(cmd, "--work-dir goes with --train")
		}
		return nil
	}
	for _, name := range []string{"model", "source", "slots", "tenant", "batch", "metrics"} {
		if cmd.Flags().Changed(name) {
			return usagef(cmd, "--%s cannot be combined with --train: such a worker takes the trainings and tests of studies only", name)
		}
	}
	return nil
}

// runTrainWorker works on the trainings and tests of studies until it is asked to stop.
func (a *app) runTrainWorker(cmd *cobra.Command, o workerOptions) (err error) {
	ctx := cmd.Context()
	log, _ := a.newLog(o.log)
	if o.name == "" {
		o.name = processName()
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "declip-worker-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	}
	options := study.Options{Library: a.library, Device: o.engine.device, Threads: o.engine.threads, Program: version()}
	pool, err := study.PoolOf(options)
	if err != nil {
		return err
	}
	engine, err := a.connect(ctx, o.nats, o.name, nil, log)
	if err != nil {
		return err
	}
	defer engine.Close()
	results, err := store.Open(ctx, o.store, store.Options{})
	if err != nil {
		return err
	}
	defer results.Close()
	fmt.Fprintf(a.stdout, "declip works on trainings and tests of studies, pool %s\n", pool)
	w := &study.Worker{
		ID: o.name, Engine: engine, Store: results, Pool: pool, Dir: o.dir, Options: options, Version: version(), Log: log,
	}
	err = w.Run(ctx)
	if ctx.Err() != nil {
		return nil // it was asked to stop
	}
	return err
}
