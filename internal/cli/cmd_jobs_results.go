package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/schema"
)

func (a *app) newJobsResults() *cobra.Command {
	o := jobs.ResultsOptions{}
	var out string
	cmd := a.withJobs("results [flags] JOB", "Write the results of a job", oneJob, func(ctx context.Context, h *jobsHome, at jobsOptions, args []string) error {
		if out != "" {
			return writeResults(ctx, h.Service, at.tenant, args[0], o, out)
		}
		_, err := h.Results(ctx, at.tenant, args[0], o, a.stdout)
		return err
	})
	cmd.Long = `Write the records of a job in the order of its pictures: those that there are so
far, up to the first picture without a record. With --follow the command waits for
the others.

Parquet files hold the same records, and exist when the job is done.`
	cmd.Example = `  declip jobs results JOB > results.jsonl
  declip jobs results --format parquet -o results.parquet JOB`
	f := cmd.Flags()
	f.StringVar(&o.Format, "format", schema.FormatJSONL, "form of the results: "+strings.Join(schema.Formats, " or "))
	f.IntVar(&o.After, "after", 0, "leave out the first `N` records")
	f.BoolVar(&o.Follow, "follow", false, "wait for the records that are missing, until the job is over")
	f.StringVarP(&out, "out", "o", "", "`file` for the results (default: standard output)")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case !slices.Contains(schema.Formats, o.Format):
			return usagef(cmd, "--format %q: expected %s", o.Format, strings.Join(schema.Formats, " or "))
		case o.After < 0:
			return usagef(cmd, "--after %d: expected 0 or more", o.After)
		case o.Format == schema.FormatParquet && (o.Follow || o.After > 0):
			return usagef(cmd, "--after and --follow are for JSON lines")
		}
		return run(cmd, args)
	}
	return cmd
}
