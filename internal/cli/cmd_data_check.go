package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/dataset/check"
	"github.com/declip/declip/internal/picture"
)

// dataCheckOptions are the flags of "declip data check".
type dataCheckOptions struct {
	dataOptions
	json       bool
	sheet      string
	force      bool
	sheetCount int
	shown      int
}

// AddFlags declares the flags with their defaults.
func (o *dataCheckOptions) AddFlags(f *pflag.FlagSet) {
	o.dataOptions.AddFlags(f)
	f.BoolVar(&o.json, "json", false, "print one JSON object instead of text")
	f.StringVar(&o.sheet, "sheet", "", "also write a PNG `file` of pictures with the outlines of their masks")
	addForceFlag(f, &o.force)
	f.IntVar(&o.sheetCount, "sheet-pictures", 48, "pictures on the sheet")
	f.IntVar(&o.shown, "show", 20, "findings of each kind that are listed; 0: all")
}

func (o *dataCheckOptions) check(cmd *cobra.Command) error {
	const most = 1000
	if o.sheetCount < 1 || o.sheetCount > most {
		return usagef(cmd, "--sheet-pictures %d: expected 1 to %d", o.sheetCount, most)
	}
	if o.shown < 0 {
		return usagef(cmd, "--show %d: expected at least 0", o.shown)
	}
	return o.dataOptions.check(cmd)
}

func (a *app) newDataCheck() *cobra.Command {
	var o dataCheckOptions
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Count the pictures of a data set and find its errors",
		Long: `Read every picture and mask of a data set, count them, and report errors: masks
that are missing, unreadable, empty, full, or of another size than their
picture; pictures in two splits; labels that contradict masks; and masks that
are probably inverted. The exit code is 1 if there are errors.

"declip data --help" explains how data sets are named.`,
		Example: `  declip data check forged
  declip data check dolos:ldm --sheet sheet.png
  declip data check pairs.csv --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "expected one data set, got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.runDataCheck(cmd, o, args[0])
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runDataCheck(cmd *cobra.Command, o dataCheckOptions, name string) error {
	if o.sheet != "" { // before the work, not after it
		if err := checkNew(o.sheet, o.force); err != nil {
			return fmt.Errorf("--sheet: %w", err)
		}
	}
	options := o.into(dataset.Options{DefaultSplit: dataset.All, Labels: true, Lenient: true, SkipMasks: true}, a.notice)
	if len(options.Sets) == 0 {
		options.Sets = []string{dataset.All}
	}
	set, err := dataset.Open(cmd.Context(), name, options)
	if err != nil {
		return sayResize(err)
	}
	bar := a.newProgress(set.Len(), "checking")
	defer bar.finish()
	checking := check.DefaultOptions()
	checking.ResizeMasks, checking.Done = o.resizeMasks, func(done, _ int) { bar.set(done) }
	report, err := check.Run(cmd.Context(), set, checking)
	if err != nil {
		return err
	}
	report.Data = name
	bar.finish()
	if o.sheet != "" {
		sheet, err := check.Sheet(cmd.Context(), set, report, o.sheetCount)
		if err != nil {
			return err
		}
		if err := picture.WritePNG(o.sheet, sheet); err != nil {
			return err
		}
	}
	if err := a.printDataCheck(o, report); err != nil {
		return err
	}
	if report.Wrong > 0 {
		return errReported
	}
	return nil
}

func (a *app) printDataCheck(o dataCheckOptions, r *check.Report) error {
	if o.json {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "%s\n", text)
		return err
	}
	fmt.Fprintf(a.stdout, "%s: layout %s, %s\n", r.Data, r.Layout, plural(r.Pictures, "picture"))
	if err := printGroups(a.stdout, r.Groups); err != nil {
		return err
	}
	printSizes(a.stdout, r)
	for _, g := range r.Polarity {
		name := "masks"
		if g.Set != "" {
			name = "masks of " + g.Set
		}
		fmt.Fprintf(a.stdout, "%s: %s\n  %s\n", name, g.Advice, g.Reason)
	}
	printFindings(a.stdout, r.Findings, o.shown)
	if o.sheet != "" {
		fmt.Fprintln(a.stdout, o.sheet)
	}
	verdict := "no errors"
	if r.Wrong > 0 {
		verdict = plural(r.Wrong, "error")
	}
	_, err := fmt.Fprintln(a.stdout, verdict)
	return err
}

func printGroups(to io.Writer, groups []check.Group) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "set\tsplit\tmethod\tpictures\tmanipulated\tuntouched\tunknown\tmarked on average")
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	for _, g := range groups {
		marked := "-"
		if g.Marked > 0 {
			marked = fmt.Sprintf("%.1f %%", 100*g.Marked)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", dash(g.Set), dash(g.Split), dash(g.Method), g.Pictures, g.Manipulated, g.Untouched, g.Unknown, marked)
	}
	return t.Flush()
}

func printSizes(to io.Writer, r *check.Report) {
	if len(r.Sizes) == 0 {
		return
	}
	var list []string
	for _, s := range r.Sizes {
		list = append(list, fmt.Sprintf("%d x %d (%d)", s.Width, s.Height, s.Count))
	}
	text := strings.Join(list, ", ")
	if more := r.SizeKinds - len(r.Sizes); more > 0 {
		text += fmt.Sprintf(" and %d other sizes, from %d x %d to %d x %d", more, r.Smallest.Width, r.Smallest.Height, r.Largest.Width, r.Largest.Height)
	}
	fmt.Fprintf(to, "sizes: %s\n", text)
}

// printFindings lists the findings, which are ordered by kind; at most shown of each.
func printFindings(to io.Writer, findings []check.Finding, shown int) {
	for i := 0; i < len(findings); {
		first := findings[i]
		n := 1
		for i+n < len(findings) && findings[i+n].Kind == first.Kind && findings[i+n].Wrong == first.Wrong {
			n++
		}
		head := "note: "
		if first.Wrong {
			head = "ERROR: "
		}
		fmt.Fprintf(to, "%s%s, %d\n", head, first.Kind, n)
		for k, f := range findings[i : i+n] {
			if k == shown && shown > 0 {
				fmt.Fprintf(to, "  and %d more (--show 0 lists all)\n", n-k)
				break
			}
			fmt.Fprintf(to, "  %s\n", findingText(f))
		}
		i += n
	}
}

// findingText names the file, unless the detail begins with it.
func findingText(f check.Finding) string {
	if strings.HasPrefix(f.Detail, f.File) {
		return f.Detail
	}
	return f.File + " " + f.Detail
}
