package forge

import (
	"context"
	"testing"

	"github.com/declip/declip/internal/picture"
)

func TestRealTables(t *testing.T) {
	known, err := realTables()
	if err != nil {
		t.Fatal(err)
	}
	if len(known.tables) < 50 || len(known.weights) != len(known.tables) {
		t.Fatalf("%d tables, %d weights", len(known.tables), len(known.weights))
	}
	for i, table := range known.tables {
		if err := table.Validate(); err != nil || !(known.weights[i] >= 1) {
			t.Errorf("table %d: weight %g, %v", i, known.weights[i], err)
		}
	}
}

// Pictures with histories are reproducible, record what was done to them, and their files have the
// tables that the record says.
func TestHistories(t *testing.T) {
	c := DefaultConfig()
	c.Photos, c.Histories, c.Treated, c.Pristine = photoFolder(t, 4), true, 0.3, 0.2
	c.SizeMin, c.SizeMax, c.ShareMin = 128, 200, SmallestShare
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	var kinds = map[string]int{}
	small := 0
	for i := range uint64(40) {
		s, err := f.Make(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := f.Make(context.Background(), i); err != nil || string(again.encoded) != string(s.encoded) || again.Share != s.Share {
			t.Fatalf("picture %d differs when it is made again (%v)", i, err)
		}
		if s.Mask.Width != s.Picture.Width || s.Mask.Height != s.Picture.Height {
			t.Fatalf("picture %d: the mask has another size", i)
		}
		if s.Method != MethodPristine && s.Share < MinShare {
			small++
		}
		for _, list := range [][]Treatment{s.History.Before, s.History.Donor, s.History.After} {
			for _, step := range list {
				kinds[step.Kind]++
			}
		}
		if s.Method != "splice" && s.History.Donor != nil {
			t.Errorf("picture %d: a %s has a donor", i, s.Method)
		}
		checkFile(t, s)
	}
	for _, kind := range []string{savedAs, uploaded, resized} {
		if kinds[kind] == 0 {
			t.Errorf("no picture has a step %q: %v", kind, kinds)
		}
	}
	if small == 0 {
		t.Error("no manipulation is small")
	}
}

// checkFile compares the file of a sample with its history.
func checkFile(t *testing.T, s Sample) {
	t.Helper()
	if s.Format == "png" {
		if s.encoded != nil || len(s.History.After) > 0 {
			t.Errorf("%s: a PNG file with a history %v", s.Name, s.History.After)
		}
		return
	}
	p, err := picture.Decode(s.encoded, picture.Limits{MaxPixels: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	last := s.History.After[len(s.History.After)-1]
	if last.Kind != savedAs {
		return
	}
	known, err := realTables()
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range p.RGB.Steps {
		if want := known.tables[int(last.Value)].Luma[i]; step != uint16(want) {
			t.Fatalf("%s: step %d is %d, expected %d", s.Name, i, step, want)
		}
	}
}
