package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/schema"
)

// withJobs makes a command that opens the jobs and runs f with the arguments.
func (a *app) withJobs(use, short string, args cobra.PositionalArgs, f func(ctx context.Context, h *jobsHome, o jobsOptions, args []string) error) *cobra.Command {
	var o jobsOptions
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			if err := o.existing(); err != nil {
				return err
			}
			h, err := a.openJobs(cmd.Context(), o, nil, a.quietLog())
			if err != nil {
				return err
			}
			defer h.Close()
			return f(cmd.Context(), h, o, args)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

// oneJob asks for the identifier of a job.
func oneJob(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef(cmd, "expected the identifier of one job, got %s", plural(len(args), "argument"))
	}
	return nil
}

func (a *app) newJobsList() *cobra.Command {
	var asJSON bool
	var limit int
	cmd := a.withJobs("list [flags]", "List jobs, the newest first", noArguments, func(ctx context.Context, h *jobsHome, o jobsOptions, _ []string) error {
		list, next, err := h.ListPage(ctx, o.tenant, jobs.Page{Limit: limit})
		if err != nil {
			return err
		}
		if next != "" {
			a.notice(fmt.Sprintf("older jobs are left out: --limit is %d", limit))
		}
		if !asJSON {
			return writeList(a.stdout, list)
		}
		for _, st := range list {
			if err := printJSON(&progress{}, a.stdout, st); err != nil {
				return err
			}
		}
		return nil
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line instead of text")
	cmd.Flags().IntVar(&limit, "limit", 0, "list at most `N` jobs, 0 for all")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 0 {
			return usagef(cmd, "--limit %d: expected 0 or more", limit)
		}
		return nil
	}
	return cmd
}

// writeList prints jobs as a table.
func writeList(w io.Writer, list []jobs.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "JOB\tSTATE\tPICTURES\tDONE\tFLAGGED\tFAILED\tLEFT\tMODEL\tCREATED")
	for _, st := range list {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", st.ID, st.State, st.Items, st.Done, st.Flagged, st.Failed,
			etaText(&st), st.Model, st.Created.Format(time.DateTime))
	}
	return t.Flush()
}

func (a *app) newJobsStatus() *cobra.Command {
	var watch, asJSON bool
	cmd := a.withJobs("status [flags] JOB", "Show a job", oneJob, func(ctx context.Context, h *jobsHome, o jobsOptions, args []string) error {
		if watch {
			return a.followStatus(ctx, h.Service, o.tenant, args[0], asJSON)
		}
		st, err := h.Status(ctx, o.tenant, args[0])
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(&progress{}, a.stdout, st)
		}
		return writeStatus(a.stdout, &st)
	})
	cmd.Flags().BoolVar(&watch, "watch", false, "print a line at each change, until the job is over")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of text")
	return cmd
}

// writeStatus prints a job as a table.
func writeStatus(w io.Writer, st *jobs.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row(t, "job", st.ID)
	state := string(st.State)
	if st.Error != "" {
		state += ": " + st.Error
	}
	row(t, "state", state)
	row(t, "pictures", fmt.Sprintf("%d, %d done", st.Items, st.Done))
	row(t, "flagged", fmt.Sprint(st.Flagged))
	row(t, "failed", fmt.Sprintf("%d, %d of them given up", st.Failed, st.Dead))
	row(t, "model", fmt.Sprintf("%s (%.12s) on %s", st.Model, st.Digest, st.Class))
	if !st.State.Over() {
		row(t, "workers", fmt.Sprintf("%d, %d batches in the queue", st.Workers, st.Queued))
		row(t, "rate", fmt.Sprintf("%.3g pictures per second", st.Rate))
		row(t, "left", etaText(st))
	}
	row(t, "priority", string(st.Priority))
	row(t, "options", fmt.Sprintf("threshold %g, maps %s", st.Options.Threshold, st.Options.Maps))
	row(t, "created", st.Created.Format(time.DateTime))
	if st.Ended != nil {
		row(t, "ended", st.Ended.Format(time.DateTime))
	}
	return t.Flush()
}

// etaText is the time left, "-" if it is not known.
func etaText(st *jobs.Status) string {
	if st.ETA == nil || st.State.Over() {
		return "-"
	}
	return (time.Duration(*st.ETA) * time.Second).String()
}

// followStatus prints a job's status at each change, until it is over.
func (a *app) followStatus(ctx context.Context, s *jobs.Service, tenant, id string, asJSON bool) error {
	for st, err := range s.Watch(ctx, tenant, id) {
		if err != nil {
			return err
		}
		if asJSON {
			if err := printJSON(&progress{}, a.stdout, st); err != nil {
				return err
			}
			continue
		}
		parts := []string{fmt.Sprintf("%s: %d of %d", st.State, st.Done, st.Items)}
		if st.Flagged > 0 {
			parts = append(parts, fmt.Sprintf("%d flagged", st.Flagged))
		}
		if st.Failed > 0 {
			parts = append(parts, fmt.Sprintf("%d failed", st.Failed))
		}
		if st.ETA != nil && !st.State.Over() {
			parts = append(parts, etaText(&st)+" left")
		}
		fmt.Fprintln(a.stdout, strings.Join(parts, ", "))
		if st.State.Over() && st.State != schema.Done {
			return fmt.Errorf("job %s: %s", st.ID, strings.TrimSuffix(string(st.State)+": "+st.Error, ": "))
		}
	}
	return nil
}
