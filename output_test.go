package declip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// A closed model says so. Closing it again does nothing.
func TestClosedModel(t *testing.T) {
	m, err := Open(writeModel(t, tiled), Options{Library: enginetest.Library(t), Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Localize(context.Background(), image.NewGray(image.Rect(0, 0, 40, 30))); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, expected %v", err, ErrClosed)
	}
}

// A result is marshalled to the object of the command line.
func TestResultJSON(t *testing.T) {
	m, err := Open("lite", Options{Library: enginetest.Library(t), Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r, err := m.LocalizeFile(context.Background(), "testdata/sample/original.jpg")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"image":"testdata/sample/original.jpg","width":960,"height":640,"format":"jpeg","orientation":1,"model":"lite","score":`
	if !strings.HasPrefix(string(text), want) {
		t.Errorf("got %s, expected %s...", text, want)
	}
	if want := `"weights":[{"name":"lite","version":"`; !strings.Contains(string(text), want) || strings.Contains(string(text), "Prob") {
		t.Errorf("got %s, expected %s in it", text, want)
	}
}

func TestMaskAsRunsAndContours(t *testing.T) {
	r := &Result{Width: 3, Height: 2, Threshold: 0.5, Prob: []float32{0, 0.9, 0.9, 0, 0.9, 0.9}}
	runs := r.RunLengths()
	if text, _ := json.Marshal(runs); string(text) != `{"size":[2,3],"counts":[2,4]}` || runs.Compressed() != "24" {
		t.Errorf("got %s and %s", text, runs.Compressed())
	}
	if c := r.Contours(); len(c) != 1 || len(c[0]) != 4 {
		t.Errorf("the contours are %v, expected one rectangle", c)
	}
	var file bytes.Buffer
	if err := r.WriteOverlay(&file, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	if m, err := png.Decode(&file); err != nil || m.Bounds().Size() != image.Pt(3, 2) {
		t.Errorf("the overlay: %v", err)
	}
}
