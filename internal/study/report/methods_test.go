package report

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// methods is a comparison of four made-up methods on four test sets.
func methods(t *testing.T) *Results {
	t.Helper()
	r := made(t, Figure2, 40)
	names := map[string]string{"diffusion": "TruFor", "exemplar": "CAT-Net", "latent": "PSCC-Net", "splice": "DeCLIP"}
	for i, name := range r.Train {
		r.Train[i] = names[name]
	}
	for i := range r.Cells {
		r.Cells[i].Train = names[r.Cells[i].Train]
	}
	return r
}

func TestMethodsSideBySide(t *testing.T) {
	r := withPictures(t, methods(t))
	r.Pictures[1].Maps = r.Pictures[1].Maps[:3]
	dir := t.TempDir()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	page := read(t, filepath.Join(dir, PageFile))
	for _, want := range []string{"<th scope=\"col\">CAT-Net</th>", "IoU 30 %, F1 0.30", "missing", "F1 of every method on every test set", "is second with"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
	if strings.Contains(page, "in-domain") {
		t.Error("the page speaks of in-domain results, which a comparison of methods does not have")
	}
	if n := strings.Count(page, "alt=\"map of "); n != 4+3+4 {
		t.Errorf("the page has %d maps, want 11: pictures 0 and 1 have 4 and 3 maps, the others 1 each", n)
	}
}

// The best value of a column is marked, and the mean gives every test set the same weight.
func TestMethodTable(t *testing.T) {
	a := Analyze(methods(t))
	table := a.methodTable(metricOf("f1"))
	if len(table.Rows) != 4 || len(table.Rows[0]) != 6 {
		t.Fatalf("%d rows of %d columns, want 4 of 6", len(table.Rows), len(table.Rows[0]))
	}
	for column := 1; column <= 5; column++ {
		best, marked := math.Inf(-1), math.NaN()
		for _, row := range table.Rows {
			best = max(best, row[column].Mean)
			if row[column].Class == "best" {
				marked = row[column].Mean
			}
		}
		if marked != best {
			t.Errorf("column %d: %g is marked as best, want %g", column, marked, best)
		}
	}
	row := table.Rows[0]
	if mean := (row[1].Mean + row[2].Mean + row[3].Mean + row[4].Mean) / 4; math.Abs(mean-row[5].Mean) > 1e-12 {
		t.Errorf("the mean is %g, want %g", row[5].Mean, mean)
	}
}
