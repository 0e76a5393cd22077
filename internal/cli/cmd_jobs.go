package cli

import "github.com/spf13/cobra"

// jobsHelp is the long help of "declip jobs".
const jobsHelp = `Run a model on any number of pictures, on one machine or on many.

"declip jobs run" is all that one machine needs: it keeps a queue and a store in
a directory, works on the pictures, and continues where it was stopped. For more
machines, "declip jobs serve" keeps the queue, "declip worker" works on the
pictures, and the other commands submit and watch jobs.

docs/jobs.md shows each set-up.`

func (a *app) newJobs() *cobra.Command {
	cmd := &cobra.Command{
		Use: "jobs", Short: "Run a model on many pictures", Long: jobsHelp,
		Args: cobra.ArbitraryArgs, RunE: helpOnly,
	}
	cmd.AddCommand(
		a.newJobsRun(), a.newJobsSubmit(), a.newJobsList(), a.newJobsStatus(), a.newJobsResults(),
		a.newJobsPause(), a.newJobsResume(), a.newJobsCancel(), a.newJobsRetry(), a.newJobsRemove(),
		a.newJobsRebuild(), a.newJobsServe(),
	)
	return cmd
}
