package cli

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/picture"
)

func (a *app) newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Write a manual page for each command to a directory, which is created if needed:
declip.1, declip-localize.1 and so on. Their text is that of --help.`,
		Example: `  declip man ~/.local/share/man/man1
  man declip-localize`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "expected one directory, got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runMan(cmd.Root(), args[0]) },
	}
}

func (a *app) runMan(root *cobra.Command, dir string) error {
	if err := writableDir(dir); err != nil {
		return err
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	pages := 0
	var write func(cmd *cobra.Command) error
	write = func(cmd *cobra.Command) error {
		if err := picture.WriteFile(filepath.Join(dir, manName(cmd)+".1"), manPage(cmd)); err != nil {
			return err
		}
		pages++
		for _, c := range cmd.Commands() {
			if !c.IsAvailableCommand() {
				continue
			}
			if err := write(c); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(root); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "%s: %d manual pages\n", dir, pages)
	return err
}

// manName is the name of a command's page, such as declip-models-list.
func manName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage formats the help of a command with the macros of man(7). It is not made by cobra's doc
// package, which reads the help as Markdown and would join the lines of its tables.
func manPage(cmd *cobra.Command) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"declip %s\" \"declip manual\"\n", roff(strings.ToUpper(manName(cmd))), roff(version()))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(cmd)), roff(cmd.Short))
	b.WriteString(".SH SYNOPSIS\n")
	for _, line := range usageLines(cmd) {
		fmt.Fprintf(&b, ".B %s\n.br\n", roff(line))
	}
	b.WriteString(".SH DESCRIPTION\n")
	manText(&b, cmd.Long)
	manFlags(&b, cmd)
	if cmd.HasExample() {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffLines(cmd.Example))
	}
	manSeeAlso(&b, cmd)
	return b.Bytes()
}

// manText writes paragraphs. Lines that begin with a space are kept as they are: they are tables.
func manText(b *bytes.Buffer, text string) {
	asIs := false
	for _, line := range strings.Split(text, "\n") {
		if table := strings.HasPrefix(line, " "); line != "" && table != asIs {
			b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[table])
			asIs = table
		}
		if line == "" {
			b.WriteString(".PP\n")
			continue
		}
		b.WriteString(roff(line) + "\n")
	}
	if asIs {
		b.WriteString(".fi\n")
	}
}

// manFlags writes the flags in their sections.
func manFlags(b *bytes.Buffer, cmd *cobra.Command) {
	b.WriteString(".SH OPTIONS\n")
	for _, s := range flagSections(cmd) {
		if !s.flags.HasAvailableFlags() {
			continue
		}
		fmt.Fprintf(b, ".SS %s\n", roff(s.title))
		s.flags.VisitAll(func(flag *pflag.Flag) {
			if flag.Hidden {
				return
			}
			value, usage := pflag.UnquoteUsage(flag)
			names := "--" + flag.Name
			if flag.Shorthand != "" {
				names = "-" + flag.Shorthand + ", " + names
			}
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR \\fI%s\\fR\n%s\n", roff(names), roff(value), roff(usage))
			if d := flag.DefValue; d != "" && d != "0" && d != "false" && d != "[]" && d != "0s" {
				fmt.Fprintf(b, "(default: %s)\n", roff(d))
			}
		})
	}
}

// manSeeAlso names the pages of the parent and of the subcommands.
func manSeeAlso(b *bytes.Buffer, cmd *cobra.Command) {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, manName(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			pages = append(pages, manName(c))
		}
	}
	if len(pages) == 0 {
		return
	}
	for i, name := range pages {
		pages[i] = `\fB` + roff(name) + `\fR(1)`
	}
	fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", strings.Join(pages, ",\n"))
}

// roff escapes a line of text.
func roff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(line)
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

// roffLines escapes several lines.
func roffLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = roff(line)
	}
	return strings.Join(lines, "\n")
}
