package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/jobs/worker"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/parallel"
)

// workerOptions are the flags of "declip worker".
type workerOptions struct {
	models  []string
	network networkOptions
	engine  engineOptions
	batch   int
	nats    natsOptions
	store   string
	sources []string
	slots   int
	name    string
	tenant  string
	log     string
	metrics metricsOptions
	train   bool
	dir     string // for trainings
}

// AddFlags declares the flags with their defaults.
func (o *workerOptions) AddFlags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.models, "model", "m", []string{models.Default}, "`model` as for localize; repeatable: the worker takes the jobs of each")
	o.network.AddFlags(f)
	o.engine.AddFlags(f)
	addBatchFlag(f, &o.batch)
	f.IntVar(&o.slots, "slots", 1, "batches that are worked on at the same time")
	f.StringVar(&o.log, "log", logText, "log on standard error: text, json or off")
	o.metrics.AddFlags(f)
	section(f, "Trainings", func(f *pflag.FlagSet) {
		f.BoolVar(&o.train, "train", false, "take trainings and tests of studies (declip study --nats) instead of jobs of pictures")
		f.StringVar(&o.dir, "work-dir", "", "`directory` for trainings under way, of this worker alone (default: a temporary one)")
	})
	section(f, "Queue and store", func(f *pflag.FlagSet) {
		o.nats.AddFlags(f)
		f.StringVar(&o.name, "name", "", "`name` of the worker, which its credentials may require (default: the machine's name and random letters)")
		f.StringVar(&o.tenant, "tenant", "", "whose jobs to work on (default: all that the credentials permit)")
		f.StringVar(&o.store, "store", "", "`URL` of the store of manifests and results, such as s3://bucket/prefix or file:///srv/declip")
		addSourceFlag(f, &o.sources)
	})
}

func (o *workerOptions) check(cmd *cobra.Command) error {
	for flag, value := range map[string]string{"name": o.name, "tenant": o.tenant} {
		if value != "" && queue.CheckToken(value) != nil {
			return usagef(cmd, "--%s: %w", flag, queue.CheckToken(value))
		}
	}
	return cmp.Or(required(cmd, "nats", "store"), o.checkTrain(cmd), checkSources(cmd, o.sources), checkBatch(cmd, o.batch), checkSlots(cmd, o.slots),
		checkThreads(cmd, o.engine.threads), checkLog(cmd, o.log), o.metrics.check(cmd))
}

func (a *app) newWorker() *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker [flags]",
		Short: "Work on the jobs of a queue",
		Long: `Take batches of jobs from a queue, localize their pictures, and write the results to the
store. A worker takes the jobs of its models (-m) for its class of device. It reads
pictures only from sources that it is given (--source).

Ctrl-C and SIGTERM stop the worker within a picture; what it has not finished is
done by another one. A worker that dies loses nothing, either.

With --train, the worker takes trainings and tests of studies. It needs the study's
data sets and backbones under the same paths.`,
		Example: `  declip worker --nats tls://head:4222 --creds worker.creds --store s3://declip/jobs --source inbox=s3://photos/2026 -m lite
  declip worker --nats tls://head:4222 --creds worker.creds --store s3://declip/jobs --train`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.train {
				return a.runTrainWorker(cmd, o)
			}
			return a.runWorker(cmd, o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runWorker(cmd *cobra.Command, o workerOptions) error {
	saveMemory()
	ctx := cmd.Context()
	log, _ := a.newLog(o.log)
	shown, err := a.listenMetrics(ctx, o.metrics)
	if err != nil {
		return err
	}
	defer shown.Close()
	can, closeModels, err := a.openWork(cmd, o)
	defer closeModels()
	if err != nil {
		return err
	}
	if o.name == "" {
		o.name = processName()
	}
	engine, err := a.connect(ctx, o.nats, o.name, shown.metrics(), log)
	if err != nil {
		return err
	}
	defer engine.Close()
	h := &jobsHome{Service: &jobs.Service{Sources: map[string]store.Store{}}, metrics: shown.metrics()}
	defer h.Close()
	if err := h.openStores(ctx, o.store, o.sources); err != nil {
		return err
	}
	parts := workerParts{
		name: o.name, tenant: o.tenant, engine: engine, store: h.Store, sources: h.Sources, slots: o.slots, metrics: shown.metrics(), log: log,
	}
	fmt.Fprintf(a.stdout, "declip works on jobs of %s\n", strings.Join(o.models, ", "))
	a.sayMetrics(shown, o.metrics)
	group, inner := parallel.WithContext(ctx)
	group.Go(func() error { return parts.work(inner, can) })
	group.Go(func() error { return shown.run(inner) })
	err = group.Wait()
	if ctx.Err() != nil {
		return nil // it was asked to stop
	}
	return err
}

// openWork opens the models, by the pools of their jobs. closeAll closes those that were opened,
// also after an error.
func (a *app) openWork(cmd *cobra.Command, o workerOptions) (can map[string]worker.Work, closeAll func(), err error) {
	var opened []*localize.Model
	closeAll = func() {
		for _, m := range opened {
			m.Close()
		}
	}
	can = map[string]worker.Work{}
	for _, name := range o.models {
		m := modelOptions{models: []string{name}, network: o.network, engine: o.engine}
		digest, err := localize.Digest(cmd.Context(), m.models, m.digestOptions())
		if err != nil {
			return nil, closeAll, wrongNetwork(cmd, o.network, sayClip(err))
		}
		model, err := a.open(cmd, m, localize.Options{})
		if err != nil {
			return nil, closeAll, err
		}
		opened = append(opened, model)
		pool, err := queue.PoolName(digest, classOf(model))
		if err != nil {
			return nil, closeAll, err
		}
		can[pool] = &localizeWork{model: model, batch: o.batch}
	}
	return can, closeAll, nil
}
