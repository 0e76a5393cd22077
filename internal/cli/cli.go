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

	"github.com/declip/declip/internal/parallel"
)

// Exit codes.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitInternal = 70 // EX_SOFTWARE of sysexits.h
)

// Groups of commands in "declip --help".
const (
	groupUse    = "use"
	groupData   = "data"
	groupModels = "models"
	groupJobs   = "jobs"
	groupSystem = "system"
)

// stageCommand is the fault injection point at the start of every command.
const stageCommand = "command"

// app is what all commands share.
type app struct {
	stdout, stderr io.Writer
	library        string          // --ort-lib
	noticed        map[string]bool // texts that notice has printed
	stackShown     bool            // whether the stack of a fault has been printed
	closeStderr    func() error    // writes what stderr still holds; nil if it holds nothing
}

// Main runs the program with the process's arguments and returns its exit code.
// The first interrupt stops the work cleanly, the second one ends the process.
func Main() int {
	surviveFileLimit()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Run runs the program with the given arguments, without the program's name, and returns its exit
// code. A panic of a command is reported with its stack and ends in exit code 70.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr}
	defer func() {
		if a.closeStderr != nil {
			_ = a.closeStderr() // its error could only be reported there
		}
	}()
	err := parallel.Catch(func() error {
		root := a.newRoot()
		root.SetArgs(args)
		return root.ExecuteContext(ctx)
	})
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case parallel.Stack(err) != nil:
		a.say("%v\n", err)
		a.showStack(err)
		return exitInternal
	case errors.As(err, &usage):
		a.say("%v\nSee \"%s --help\".\n", err, usage.command)
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(a.stderr, "declip: interrupted")
		return exitFailed
	}
	a.say("%v\n", err)
	if hint := nextStep(err); hint != "" {
		fmt.Fprintln(a.stderr, hint)
	}
	return exitFailed
}

// say prints an error or a note. It may contain names of files with control characters.
func (a *app) say(format string, args ...any) {
	_, _ = io.WriteString(a.stderr, terminalText(a.stderr, fmt.Sprintf("declip: "+format, args...)))
}

// showStack prints the stack of a panic that err reports, once for each run: the stacks of further
// pictures would only hide the messages.
func (a *app) showStack(err error) {
	if stack := parallel.Stack(err); stack != nil && !a.stackShown {
		a.stackShown = true
		fmt.Fprintf(a.stderr, "\n%s\n", stack)
	}
}

// init keeps the order of commands in the help: the most used ones come first.
func init() { cobra.EnableCommandSorting = false }

func (a *app) newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "declip",
		Short: "Show where pictures were manipulated",
		Long: `declip computes, for every pixel of a picture, the probability that it was
manipulated. It also makes manipulated pictures, trains networks on them and
measures how well they work.

Exit codes: 0 success, 1 something failed, 2 wrong usage, 70 a fault of declip
itself, which it asks you to report.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          helpOnly,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			a.noteOldSpellings(cmd)
			parallel.Point(stageCommand)
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetUsageFunc(printUsage)
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringVar(&a.library, "ort-lib", "",
		"ONNX Runtime's shared `library`, or the directory that contains it (default: $DECLIP_ORT_LIB, then the usual places)")
	a.addCommands(root)
	refuseUnknown(root)
	addCompletions(root)
	a.addVersionFlag(root)
	return root
}

// addCommands adds all commands in their groups.
func (a *app) addCommands(root *cobra.Command) {
	add := func(group, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: group, Title: title})
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupUse, "Find manipulations:", a.newLocalize(), a.newFeatures())
	add(groupData, "Data and training:", a.newData(), a.newForge(), a.newTrain(), a.newCalibrate(), a.newEval(), a.newStudy(), a.newCache())
	add(groupModels, "Models:", a.newModels())
	add(groupJobs, "Many pictures, many machines:", a.newJobs(), a.newWorker())
	add(groupSystem, "Server and system:", a.newServe(), a.newDoctor(), a.newVersion(), a.newMan())
	root.SetHelpCommandGroupID(groupSystem)
	root.SetCompletionCommandGroupID(groupSystem)
}

// helpOnly runs a command that only has subcommands: it prints the help, and refuses arguments.
func helpOnly(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	return cmd.Help()
}

// usageError says that the command was used wrongly.
type usageError struct {
	command string // whose help to point to, such as "declip eval"
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

// noArguments refuses arguments that are not flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(cmd, "unexpected argument %q", args[0])
	}
	return nil
}

// required refuses empty values of flags that must be set.
func required(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if f := cmd.Flags().Lookup(name); f.Value.String() == "" {
			return usagef(cmd, "--%s is missing", name)
		}
	}
	return nil
}

// errReported ends a command that has already printed what went wrong.
var errReported = errors.New("failed, as reported")
