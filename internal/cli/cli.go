package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// app is what all commands share.
type app struct {
	stdout, stderr io.Writer
	library        string // --ort-lib
}

// Main runs the program with the process's arguments and gives its exit code.
// An interrupt ends the work in an orderly way; a second one ends it at once.
func Main() int {
	surviveFileLimit()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Run runs the program with the given arguments (without the program's name).
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr}
	root := a.newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "declip: %v\nSee \"%s --help\".\n", err, usage.command)
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "declip: interrupted")
		return exitFailed
	}
	fmt.Fprintf(stderr, "declip: %v\n", err)
	return exitFailed
}

func (a *app) newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "declip",
		Short: "Show where pictures were manipulated",
		Long: `declip gives, for every pixel of a picture, the probability that it was
manipulated; it also makes manipulated pictures to learn from, trains networks
on them and measures how well they do.

Exit codes: 0 all went well, 1 something failed, 2 wrong usage.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(cmd, "unknown command %q", args[0])
			}
			return cmd.Help()
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	root.PersistentFlags().StringVar(&a.library, "ort-lib", "",
		"ONNX Runtime's shared library, or a folder that holds it (default: $DECLIP_ORT_LIB, then the usual places)")
	root.AddCommand(
		a.newLocalize(),
		a.newServe(),
		a.newFeatures(),
		a.newEval(),
		a.newData(),
		a.newForge(),
		a.newTrain(),
		a.newStudy(),
		a.newCalibrate(),
		a.newModels(),
		a.newCache(),
		a.newDoctor(),
		a.newVersion(),
	)
	return root
}

// usageError says that the command was used wrongly.
type usageError struct {
	command string // to ask help of, like "declip eval"
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

// noArguments refuses arguments that are no flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(cmd, "unexpected argument %q", args[0])
	}
	return nil
}

// required refuses empty values of flags that must be given.
func required(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := cmd.Flags().Lookup(name); f.Value.String() == "" {
			return usagef(cmd, "--%s is missing", name)
		}
	}
	return nil
}

// errReported ends a command that has already said what went wrong.
var errReported = errors.New("failed, as reported")
