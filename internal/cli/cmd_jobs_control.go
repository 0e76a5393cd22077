package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/jobs"
)

// jobControl makes a command that does something with one job.
func (a *app) jobControl(use, short, long string, choose func(*jobs.Service) act) *cobra.Command {
	cmd := a.withJobs(use+" [flags] JOB", short, oneJob, func(ctx context.Context, h *jobsHome, o jobsOptions, args []string) error {
		return choose(h.Service)(ctx, o.tenant, args[0])
	})
	cmd.Long = long
	return cmd
}

// act is what jobControl does with a job.
type act = func(ctx context.Context, tenant, id string) error

func (a *app) newJobsPause() *cobra.Command {
	return a.jobControl("pause", "Pause a job", `Pause a job until it is resumed. Batches that workers hold are still finished.`,
		func(s *jobs.Service) act { return s.Pause })
}

func (a *app) newJobsResume() *cobra.Command {
	return a.jobControl("resume", "Resume a paused job", `Continue a job that is paused or has failed.`,
		func(s *jobs.Service) act { return s.Resume })
}

func (a *app) newJobsCancel() *cobra.Command {
	return a.jobControl("cancel", "Cancel a job", `End a job. Workers stop within a picture. Records that exist stay.`,
		func(s *jobs.Service) act { return s.Cancel })
}

func (a *app) newJobsRemove() *cobra.Command {
	return a.jobControl("rm", "Delete a job and its results", `Delete a job with its records, maps and events. A job that is not over is
cancelled first. The pictures stay, and so do files that "declip jobs run" and
"declip jobs results" have written.`, func(s *jobs.Service) act { return s.Remove })
}

func (a *app) newJobsRetry() *cobra.Command {
	var dead bool
	cmd := a.withJobs("retry [flags] JOB", "Work again on the pictures of a job that failed", oneJob, func(ctx context.Context, h *jobsHome, o jobsOptions, args []string) error {
		n, err := h.Retry(ctx, o.tenant, args[0], !dead)
		if err == nil {
			fmt.Fprintf(a.stdout, "to be tried again: %s\n", plural(n, "picture"))
		}
		return err
	})
	cmd.Long = `Work again on the pictures of a job that have no result. With --dead, only on those
that were given up because workers died of them.`
	cmd.Flags().BoolVar(&dead, "dead", false, "only pictures that were given up")
	return cmd
}

func (a *app) newJobsRebuild() *cobra.Command {
	cmd := a.withJobs("rebuild [flags]", "Make a lost queue again from the store", noArguments, func(ctx context.Context, h *jobsHome, _ jobsOptions, _ []string) error {
		made, err := h.Rebuild(ctx)
		if err == nil {
			fmt.Fprintf(a.stdout, "in the queue again: %s, finished batches: %d\n", plural(made.Jobs, "job"), made.Events)
		}
		return err
	})
	cmd.Long = `Make the jobs and their finished batches in the queue again from the store, after the
queue was lost or deleted. Only batches that were being worked on are repeated.`
	return cmd
}
