package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// tally is what all runs gave.
type tally struct {
	rows    map[string]*row // by format
	slowest time.Duration   // longest time between two answers
	memory  int64           // largest peak, in bytes
	faults  []string
}

type row struct{ files, read, warned, refused int }

func newTally() *tally { return &tally{rows: map[string]*row{}} }

func (t *tally) row(format string) *row {
	if t.rows[format] == nil {
		t.rows[format] = &row{}
	}
	return t.rows[format]
}

func (t *tally) fault(format string, args ...any) {
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

// write prints the table, the extremes and the faults.
func (t *tally) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "format\tfiles\tread\twith a warning\trefused")
	all := row{}
	line := func(name string, r row) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\n", name, r.files, r.read, r.warned, r.refused)
	}
	for _, format := range slices.Sorted(maps.Keys(t.rows)) {
		r := *t.rows[format]
		line(format, r)
		all = row{all.files + r.files, all.read + r.read, all.warned + r.warned, all.refused + r.refused}
	}
	line("all", all)
	fmt.Fprintf(w, "\nlongest time between two answers: %v\npeak memory: %d MB\nfaults: %d\n",
		t.slowest.Round(time.Millisecond), t.memory>>20, len(t.faults))
	for _, f := range t.faults {
		fmt.Fprintln(w, f)
	}
	return w.Flush()
}
