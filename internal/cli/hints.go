package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/queue"
)

// nextStep says what to do about an error whose message does not; empty if there is nothing to add.
func nextStep(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "Another program uses this address: end it, or choose another address."
	case errors.Is(err, errNoJobs):
		return "\"declip jobs run\" makes it. If the jobs are elsewhere, name their directory with --jobs."
	case errors.Is(err, jobs.ErrNotFound):
		return "\"declip jobs list\" shows the jobs of a directory (--jobs) or of a queue (--nats)."
	case errors.Is(err, queue.ErrUnavailable):
		return "Check --nats. \"declip jobs serve\" starts a queue."
	}
	return ""
}

// unknownCommand is the error about a command that does not exist.
func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return usagef(cmd, "unknown command %q%s", name, didYouMean(name, names, ""))
}

// unknownFlag is the error about a flag that does not exist.
func unknownFlag(cmd *cobra.Command, err *pflag.NotExistError) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	hint := ""
	if err.GetSpecifiedShortnames() == "" { // one letter resembles all others
		hint = didYouMean(err.GetSpecifiedName(), names, "--")
	}
	return usagef(cmd, "%w%s", err, hint)
}

// didYouMean is the end of a message about an unknown name: the one that resembles it most. It is
// empty if none resembles it.
func didYouMean(name string, names []string, prefix string) string {
	best, least := "", 1+min(len(name)/3, 2)
	for _, n := range names {
		d := editDistance(name, n)
		if len(name) >= 3 && strings.HasPrefix(n, name) {
			d = 1
		}
		if d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %s%s?", prefix, best)
}

// editDistance is the number of letters that have to be inserted, removed or replaced to turn a
// into b (Levenshtein's distance).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		last := slices.Clone(row)
		row[0] = i + 1
		for k := range len(b) {
			replaced := last[k]
			if a[i] != b[k] {
				replaced++
			}
			row[k+1] = min(replaced, last[k+1]+1, row[k]+1)
		}
	}
	return row[len(b)]
}

// refuseUnknown makes the commands that cobra adds refuse names that do not exist, instead of
// printing the help of the parent.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.Args, cmd.RunE = cobra.ArbitraryArgs, helpOnly
		case "help":
			cmd.Run, cmd.RunE = nil, helpOf
		}
	}
}

// helpOf prints the help of the command that the arguments name.
func helpOf(help *cobra.Command, args []string) error {
	cmd, rest, err := help.Root().Find(args)
	if err != nil {
		return usagef(help.Root(), "%w", err)
	}
	if len(rest) > 0 && cmd.HasAvailableSubCommands() {
		return unknownCommand(cmd, rest[0])
	}
	cmd.InitDefaultHelpFlag()
	return cmd.Help()
}

// plural is a number with what it counts: "1 picture", "2 pictures".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
