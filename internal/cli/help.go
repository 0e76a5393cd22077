package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sectionKey is the annotation of a flag that holds the title of its section in the help.
const sectionKey = "declip_section"

// section declares flags that the help lists below a title, in the order of their declaration.
// Flags that are declared elsewhere are listed below "Flags".
func section(f *pflag.FlagSet, title string, declare func(*pflag.FlagSet)) {
	part := pflag.NewFlagSet(title, pflag.ContinueOnError)
	part.SortFlags = false
	declare(part)
	part.VisitAll(func(flag *pflag.Flag) {
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[sectionKey] = []string{title}
	})
	f.SortFlags = false
	f.AddFlagSet(part)
}

// renamedKey is the annotation of a flag under its former name; it holds the new one.
const renamedKey = "declip_renamed"

// oldSpelling keeps the former name of a flag working: it sets the same value and is not in the
// help.
func oldSpelling(f *pflag.FlagSet, old, current string) {
	flag := *f.Lookup(current)
	flag.Name, flag.Shorthand, flag.Hidden = old, "", true
	flag.Annotations = map[string][]string{renamedKey: {current}}
	f.AddFlag(&flag)
}

// noteOldSpellings prints a note for every flag that was given by its former name. The flag
// package's own notes are printed to standard output, where results are.
func (a *app) noteOldSpellings(cmd *cobra.Command) {
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if current, ok := flag.Annotations[renamedKey]; ok {
			a.say("--%s is now --%s\n", flag.Name, current[0])
		}
	})
}

// flagSection is a part of a command's flags.
type flagSection struct {
	title string
	flags *pflag.FlagSet
}

// flagSections groups the visible flags of a command by section; those without one come last.
func flagSections(cmd *cobra.Command) []flagSection {
	var sections []flagSection
	rest := flagSection{"Flags", newSection(cmd.LocalFlags().SortFlags)}
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		title, ok := flag.Annotations[sectionKey]
		if !ok {
			rest.flags.AddFlag(flag)
			return
		}
		for _, s := range sections {
			if s.title == title[0] {
				s.flags.AddFlag(flag)
				return
			}
		}
		s := flagSection{title[0], newSection(false)}
		s.flags.AddFlag(flag)
		sections = append(sections, s)
	})
	if len(sections) > 0 {
		rest.title = "Other flags"
	}
	sections = append(sections, rest)
	if cmd.HasAvailableInheritedFlags() {
		sections = append(sections, flagSection{"Flags of all commands", cmd.InheritedFlags()})
	}
	return sections
}

func newSection(sorted bool) *pflag.FlagSet {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.SortFlags = sorted
	return f
}

// printUsage prints how a command is used: the end of its help.
func printUsage(cmd *cobra.Command) error {
	w := cmd.OutOrStderr()
	fmt.Fprintln(w, "Usage:")
	for _, line := range usageLines(cmd) {
		fmt.Fprintf(w, "  %s\n", line)
	}
	if cmd.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	printCommands(w, cmd)
	for _, s := range flagSections(cmd) {
		if usages := strings.TrimRight(s.flags.FlagUsages(), " \n"); usages != "" {
			fmt.Fprintf(w, "\n%s:\n%s\n", s.title, usages)
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nRun \"%s COMMAND --help\" for the help of a command.\n", cmd.CommandPath())
	}
	return nil
}

// usageLines shows how the command line looks. The usage of a command that only has subcommands is
// its name alone.
func usageLines(cmd *cobra.Command) []string {
	var lines []string
	if !cmd.HasAvailableSubCommands() || strings.Contains(cmd.Use, " ") {
		lines = append(lines, cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		lines = append(lines, cmd.CommandPath()+" COMMAND")
	}
	return lines
}

// printCommands lists the subcommands, by group where there are groups.
func printCommands(w io.Writer, cmd *cobra.Command) {
	list := func(title, group string) {
		head := "\n" + title + "\n"
		for _, c := range cmd.Commands() {
			if c.GroupID == group && (c.IsAvailableCommand() || c.Name() == "help") {
				fmt.Fprintf(w, "%s  %-*s  %s\n", head, c.NamePadding(), c.Name(), c.Short)
				head = ""
			}
		}
	}
	for _, g := range cmd.Groups() {
		list(g.Title, g.ID)
	}
	list("Commands:", "")
}

// flagError says in one form what is wrong with a flag's value: --flag VALUE: expected ...
func flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		return unknownFlag(cmd, missing)
	}
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return usagef(cmd, "%w", err)
	}
	flag := invalid.GetFlag()
	if what, ok := expectedValues[flag.Value.Type()]; ok {
		return usagef(cmd, "--%s %q: expected %s", flag.Name, invalid.GetValue(), what)
	}
	return usagef(cmd, "--%s %q: %w", flag.Name, invalid.GetValue(), invalid.Unwrap())
}

// expectedValues describes the values of pflag's own types, whose errors are those of package
// strconv.
var expectedValues = map[string]string{
	"bool":     "true or false",
	"int":      "a whole number",
	"int64":    "a whole number",
	"uint64":   "a whole number, 0 or more",
	"float64":  "a number",
	"duration": "a duration such as 90s, 15m or 2h",
	"intSlice": "whole numbers separated by commas",
}
