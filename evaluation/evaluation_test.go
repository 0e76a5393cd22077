package evaluation

import (
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/declip/declip"
	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/picture"
)

func TestMain(m *testing.M) { os.Exit(enginetest.Main(m)) }

// square is a mask of side x side pixels with a square of 20 x 20 at (x, 10).
func square(side, x int) image.Image {
	mask := image.NewGray(image.Rect(0, 0, side, side))
	for y := range 20 {
		for i := range 20 {
			mask.SetGray(x+i, 10+y, color.Gray{Y: 255})
		}
	}
	return mask
}

// ramp is a map that rises from left to right.
func ramp(side int) declip.Map {
	m := declip.Map{Prob: make([]float32, side*side), Width: side, Height: side}
	for i := range m.Prob {
		m.Prob[i] = float32(i%side) / float32(side-1)
	}
	return m
}

// A summary has all fields and values of the one that "declip eval --json" prints.
func TestSummaryIsThatOfTheCommandLine(t *testing.T) {
	e, err := New(Options{Bootstrap: 50, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	score := 0.5
	for i := range 6 {
		p := Picture{Name: "p", Method: []string{"splice", "inpaint"}[i%2], Map: ramp(48), Mask: square(48, 4*i), Score: &score}
		if i > 3 {
			p.Mask, p.Label = nil, Untouched
		}
		if i == 3 { // the AUC of a full mask is not defined
			if p.Mask, err = NewMask(repeated(true, 48*48), 48, 48); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	inner := evaluate.Summarize(e.pictures, evaluate.SummaryOptions{Threshold: 0.5, Bootstrap: 50, Seed: 3})
	if inner.Detection == nil || inner.DetectionByNetwork == nil || inner.Pooled == nil || len(inner.Methods) != 2 || len(inner.LeftOut) == 0 {
		t.Fatalf("the pictures do not give all fields: %+v", inner)
	}
	if got, want := fields(t, e.Summary()), fields(t, inner); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, expected %v", got, want)
	}
}

func repeated(v bool, n int) []bool {
	list := make([]bool, n)
	for i := range list {
		list[i] = v
	}
	return list
}

// fields is v by way of JSON.
func fields(t *testing.T, v any) (m map[string]any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestScores(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Half of the square is over the threshold, and so is half of the rest, more or less.
	s, err := e.Add(Picture{Map: ramp(48), Mask: square(48, 14)})
	if err != nil {
		t.Fatal(err)
	}
	tp, fp := 200.0, 48*24-200.0
	if want := 2 * tp / (2*tp + fp + 200); math.Abs(s.F1Plain-want) > 1e-12 {
		t.Errorf("plain F1 is %v, expected %v", s.F1Plain, want)
	}
	if s.ManipulatedPixels != 400 || s.FoundPixels != 200 || s.FalsePixels != 48*24-200 || !s.Manipulated || !s.Masked || !s.Flagged {
		t.Errorf("got %+v", s)
	}
	// A map of half the size is enlarged to the mask's.
	if s, err = e.Add(Picture{Map: ramp(24), Mask: square(48, 14)}); err != nil || s.Width != 48 || s.Pixels != 48*48 {
		t.Errorf("got %+v and error %v", s, err)
	}
	// A label without a mask has no scores of pixels.
	if s, err = e.Add(Picture{Map: ramp(48), Label: Manipulated}); err != nil || s.Masked || !math.IsNaN(s.IoU) || !s.Manipulated {
		t.Errorf("got %+v and error %v", s, err)
	}
	if e.Count() != 3 || len(e.Pictures()) != 3 {
		t.Errorf("%d pictures, expected 3", e.Count())
	}
}

// What cannot be scored is refused and not added.
func TestRefused(t *testing.T) {
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ones := image.NewGray(image.Rect(0, 0, 48, 48))
	ones.Pix[5] = 1
	wrong, unknown := ramp(48), ramp(48)
	wrong.Width = 47
	unknown.Prob[3] = float32(math.NaN())
	for want, p := range map[string]Picture{
		"neither a mask nor a label":       {Map: ramp(48)},
		"highest grey level is 1":          {Map: ramp(48), Mask: ones},
		"47 x 48 with 2304 probabilities":  {Map: wrong, Label: Untouched},
		"(3,0) is not a number":            {Map: unknown, Mask: square(48, 0)},
		"the mask has no pixels":           {Map: ramp(48), Mask: image.NewGray(image.Rectangle{})},
		"label 7: expected ByMask":         {Map: ramp(48), Label: 7},
		"map of 0 x 0 with 0 probabilitie": {Mask: square(48, 0)},
	} {
		p.Name = "p.png"
		if _, err := e.Add(p); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "p.png: ") {
			t.Errorf("error %v, expected one with %q", err, want)
		}
	}
	if e.Count() != 0 {
		t.Errorf("%d pictures were added", e.Count())
	}
	for _, o := range []Options{{Threshold: 1}, {Threshold: -0.1}, {Bootstrap: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	if _, err := NewMask(make([]bool, 5), 2, 2); err == nil {
		t.Error("a mask of 2 x 2 is made of 5 pixels")
	}
}

// reader is a model that reads the map from the red channel and fails for pictures of another size.
type reader struct{ t *testing.T }

func (reader) Name() string { return "reader" }

func (r reader) LocalizeBatch(_ context.Context, imgs []image.Image) ([]*declip.Result, error) {
	var list []*declip.Result
	for _, img := range imgs {
		p, ok := img.(*picture.Picture)
		if !ok {
			r.t.Errorf("got a %T, expected the decoded picture", img)
			return nil, errors.New("wrong type")
		}
		if p.Width != 48 {
			return nil, errors.New("not 48 wide")
		}
		result := &declip.Result{Width: p.Width, Height: p.Height, Score: 0.25, ScoreKind: declip.ScoreNetwork}
		for i := range p.Width * p.Height {
			result.Prob = append(result.Prob, float32(p.Pix[3*i])/255)
		}
		list = append(list, result)
	}
	return list, nil
}

func writePNG(t *testing.T, path string, img image.Image) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

// Run scores what a model gives. A picture that fails has its error, the others their scores.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"images", "masks"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, side := range map[string]int{"a.png": 48, "b.png": 40, "c.png": 48} {
		writePNG(t, filepath.Join(dir, "images", name), square(side, 4)) // the perfect map
		writePNG(t, filepath.Join(dir, "masks", name), square(side, 4))
	}
	ctx := context.Background()
	data, err := OpenData(ctx, []string{dir}, DataOptions{})
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	e, err := Run(ctx, data, reader{t}, RunOptions{Batch: 2, Done: func(done, total int) {
		if last = done; total != 3 {
			t.Errorf("%d pictures in all, expected 3", total)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if data.Count() != 3 || last != 3 || e.Count() != 3 {
		t.Errorf("%d pictures, %d done, %d evaluated: expected 3 of each", data.Count(), last, e.Count())
	}
	s := e.Summary()
	if s.Failed != 1 || s.Manipulated != 2 || *s.IoU != 100 || *s.F1Plain != 1 || math.Abs(*s.MCC-1) > 1e-12 {
		t.Errorf("%d failed, IoU %g, F1 %g, MCC %g", s.Failed, *s.IoU, *s.F1Plain, *s.MCC)
	}
	if err := e.Pictures()[1].Err; err == nil || !strings.Contains(err.Error(), "b.png: not 48 wide") {
		t.Errorf("error %v, expected that of b.png", err)
	}
	if _, err := OpenData(ctx, nil, DataOptions{}); err == nil {
		t.Error("no data sets are opened")
	}
	if _, err := OpenData(ctx, []string{filepath.Join(dir, "missing")}, DataOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, expected that of a missing file", err)
	}
}
