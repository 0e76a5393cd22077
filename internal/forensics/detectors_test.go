package forensics

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

func TestSelect(t *testing.T) {
	// Files name these two, and their order is part of the results.
	names := Names()
	first, second := slices.Index(names, "double-jpeg"), slices.Index(names, "copies")
	if first < 0 || second < first {
		t.Errorf("detectors are %v, expected double-jpeg before copies among them", names)
	}
	list, err := Select([]string{"copies", "double-jpeg", "copies"})
	if err != nil || len(list) != 2 || list[0].Name() != "double-jpeg" || list[1].Name() != "copies" {
		t.Errorf("got %v, %v, expected both in the order in which they run", list, err)
	}
	if list, err := Select(nil); err != nil || list != nil {
		t.Errorf("no names: got %v, %v", list, err)
	}
	_, err = Select([]string{"copies", "noise"})
	if err == nil || !strings.Contains(err.Error(), `unknown detector "noise"`) || !strings.Contains(err.Error(), strings.Join(names, ", ")) {
		t.Errorf("got error %v, expected one with the name and the known ones", err)
	}
}

// corner marks the first cell.
type corner struct{}

func (corner) Mark(m *picture.Map) { m.Prob[0] = 1 }

func TestDetector(t *testing.T) {
	failure := errors.New("failure")
	for _, want := range []error{nil, failure} {
		d := detector("corner", PictureMap, func(context.Context, *picture.RGB) (corner, error) { return corner{}, want })
		f, err := d.Find(t.Context(), picture.NewRGB(2, 2))
		if !errors.Is(err, want) || (f == nil) != (want != nil) {
			t.Fatalf("got %v, %v, expected error %v", f, err, want)
		}
		if f == nil {
			continue
		}
		m := picture.Map{Prob: make([]float32, 4), Width: 2, Height: 2}
		f.Mark(&m)
		if d.Name() != "corner" || f.Stage() != PictureMap || m.Prob[0] != 1 {
			t.Errorf("detector %s, stage %d, map %v", d.Name(), f.Stage(), m.Prob)
		}
	}
}
