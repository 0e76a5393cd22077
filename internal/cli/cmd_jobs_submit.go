package cli

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/picture"
)

// jobsSubmitOptions are the flags of "declip jobs submit".
type jobsSubmitOptions struct {
	pictureJobOptions
	jobs     jobsOptions
	model    string
	network  networkOptions
	from     string
	manifest string
	class    string
	key      string
	webhook  string
	wait     bool
}

// AddFlags declares the flags with their defaults.
func (o *jobsSubmitOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.model, "model", "m", models.Default, "`model` as for localize; the workers must have the same one")
	o.network.AddFlags(f)
	o.pictureJobOptions.AddFlags(f)
	f.StringVar(&o.from, "from", "", "`name` of the source of the pictures (default: the only --source)")
	f.StringVar(&o.manifest, "manifest", "", "`file` that lists the pictures: keys in the source, or JSON lines; - for standard input")
	f.StringVar(&o.class, "class", "", "class of the workers' devices, cpu or gpu (default: that of the workers that have the model)")
	f.StringVar(&o.key, "key", "", "`text` that makes the submission idempotent: a second one with it gives the same job")
	f.StringVar(&o.webhook, "webhook", "", "`URL` to which the end of the job is reported")
	f.BoolVar(&o.wait, "wait", false, "wait until the job is over")
	o.jobs.AddFlags(f)
}

func (o *jobsSubmitOptions) check(cmd *cobra.Command, args []string) error {
	if err := cmp.Or(o.jobs.check(cmd), o.pictureJobOptions.check(cmd)); err != nil {
		return err
	}
	switch {
	case o.class != "" && o.class != string(queue.CPU) && o.class != string(queue.GPU):
		return usagef(cmd, "--class %q: expected cpu or gpu", o.class)
	case o.manifest != "" && len(args) > 0:
		return usagef(cmd, "--manifest lists all pictures: no further arguments are expected, got %q", args[0])
	case o.wait && o.jobs.nats.url == "":
		return usagef(cmd, "--wait needs --nats: no other process can work on the jobs of a directory meanwhile; \"declip jobs run\" works on them itself")
	case o.from != "" && queue.CheckToken(o.from) != nil:
		return usagef(cmd, "--from: %w", queue.CheckToken(o.from))
	case o.from == "" && len(o.jobs.sources) > 1:
		return usagef(cmd, "--from is missing: it says which --source has the pictures")
	}
	if o.from == "" && len(o.jobs.sources) == 1 {
		o.from, _, _ = strings.Cut(o.jobs.sources[0], "=")
	}
	if o.from == "" && o.jobs.nats.url != "" {
		return usagef(cmd, "--source is missing: workers on other machines read pictures from a source")
	}
	if o.from == "" && o.manifest == "" {
		return somePaths(cmd, args)
	}
	return nil
}

func (a *app) newJobsSubmit() *cobra.Command {
	var o jobsSubmitOptions
	cmd := &cobra.Command{
		Use:   "submit [flags] [PATH|PREFIX...]",
		Short: "Submit a job and print its identifier",
		Long: `Submit a job for workers. The pictures are

  PATH...            pictures and directories of this machine, without --nats
  PREFIX...          all pictures of a source (--source) whose keys begin so; all
                     pictures of the source if no prefix is given
  --manifest FILE    a list: on each line a key in the source, or a JSON object
                     {"key": ..., "image": ...} with the name to report

Keys that end in .tar are archives, such as those of WebDataset: the pictures in
them are taken one by one.`,
		Example: `  declip jobs submit --nats tls://head:4222 --creds submit.creds --store s3://declip/jobs --source inbox=s3://photos/2026 11/
  declip jobs submit photos/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args); err != nil {
				return err
			}
			return a.runJobsSubmit(cmd, o, args)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runJobsSubmit(cmd *cobra.Command, o jobsSubmitOptions, args []string) error {
	ctx := cmd.Context()
	m := modelOptions{models: []string{o.model}, network: o.network}
	digest, err := localize.Digest(ctx, m.models, m.digestOptions())
	if err != nil {
		return wrongNetwork(cmd, o.network, sayClip(err))
	}
	h, err := a.openJobs(ctx, o.jobs, nil, a.quietLog())
	if err != nil {
		return err
	}
	defer h.Close()
	class := queue.Class(o.class)
	if class == "" {
		if class, err = h.ClassOf(ctx, digest); err != nil {
			return err
		}
	}
	left := 0
	items, source, err := a.submitted(ctx, h, o, args, &left)
	if err != nil {
		return err
	}
	job, existed, err := h.Submit(ctx, jobs.Request{
		Tenant: o.jobs.tenant, Key: o.key, Source: source, Model: o.model, Digest: digest, Class: class,
		Priority: queue.Priority(o.priority), Options: o.options, Webhook: o.webhook, Items: items,
	})
	if err != nil {
		return err
	}
	if left > shownLeftOut {
		a.notice(fmt.Sprintf("left out %d objects in all", left))
	}
	if existed {
		a.notice("the job exists already: it was submitted with the same --key")
	}
	fmt.Fprintln(a.stdout, job.ID)
	if !o.wait {
		if h.alone {
			a.notice(fmt.Sprintf("the job waits: \"declip jobs run\" and \"declip serve --jobs %s\" work on it", quoted(o.jobs.dir)))
		}
		return nil
	}
	return a.followStatus(ctx, h.Service, o.jobs.tenant, job.ID, false)
}

// shownLeftOut is how many objects that are left out are named.
const shownLeftOut = 5

// submitted gives the pictures of a job and the name of their source. left counts the objects that
// are left out.
func (a *app) submitted(ctx context.Context, h *jobsHome, o jobsSubmitOptions, args []string, left *int) (iter.Seq2[manifest.Item, error], string, error) {
	if o.from == "" && o.manifest == "" {
		found := a.collectItems(args, o.jobs.dir)
		if len(found.items) == 0 {
			return nil, "", errReported
		}
		return found.seq(), localSource, nil
	}
	source := o.from
	if source == "" {
		source = localSource
	}
	if h.Sources[source] == nil {
		return nil, "", fmt.Errorf("source %q is not given: add --source %s=URL", source, source)
	}
	in := &manifest.Inputs{Source: h.Sources[source], IsPicture: picture.HasExtension, LeftOut: func(name string, reason error) {
		if *left++; *left <= shownLeftOut {
			a.notice(fmt.Sprintf("left out %s: %v", quoted(name), reason))
		}
	}}
	switch {
	case o.manifest == "-":
		return in.Lines(ctx, os.Stdin), source, nil
	case o.manifest != "":
		return lines(ctx, in, o.manifest), source, nil
	case len(args) == 0:
		args = []string{""}
	}
	return prefixes(ctx, in, args), source, nil
}

// lines reads a list of pictures from a file.
func lines(ctx context.Context, in *manifest.Inputs, name string) iter.Seq2[manifest.Item, error] {
	return func(yield func(manifest.Item, error) bool) {
		f, err := os.Open(name)
		if err != nil {
			yield(manifest.Item{}, err)
			return
		}
		defer f.Close()
		for item, err := range in.Lines(ctx, f) {
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// prefixes lists the pictures of several prefixes, one after the other.
func prefixes(ctx context.Context, in *manifest.Inputs, list []string) iter.Seq2[manifest.Item, error] {
	return func(yield func(manifest.Item, error) bool) {
		for _, prefix := range list {
			for item, err := range in.Prefix(ctx, prefix) {
				if !yield(item, err) {
					return
				}
			}
		}
	}
}
