package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/picture"
)

const side = 48

// square is a picture whose red channel is 200 in a square that the mask marks, and 50 elsewhere. Picture i has its
// square elsewhere than the others; every fourth is untouched.
func square(i int) dataset.Sample {
	p, m := picture.NewRGB(side, side), picture.NewGray(side, side)
	s := dataset.Sample{Picture: p, Mask: m, Name: fmt.Sprintf("p%d", i), Method: []string{"splice", "inpaint"}[i%2]}
	for k := range m.Pix {
		x, y := k%side-i%8, k/side
		p.Pix[3*k] = 50
		if i%4 != 3 && x >= 4 && x < 36 && y >= 8 && y < 40 {
			p.Pix[3*k], m.Pix[k] = 200, 255
		}
	}
	return s
}

func squares(n int) dataset.Source {
	return dataset.Generated{Count: n, ID: "squares", Make: func(_ context.Context, i int) (dataset.Sample, error) { return square(i), nil }}
}

// reader says what the red channel says, at half size; the second model says the opposite.
type reader struct {
	mu      sync.Mutex
	batches []int
	refuse  string // fails where this picture is in a batch
}

func (r *reader) Models() []string { return []string{"red", "not red"} }

func (r *reader) Predict(_ context.Context, samples []dataset.Sample) ([][]Prediction, error) {
	r.mu.Lock()
	r.batches = append(r.batches, len(samples))
	r.mu.Unlock()
	var all [][]Prediction
	for _, s := range samples {
		if s.Name == r.refuse {
			return nil, errors.New("no answer")
		}
		small := picture.Resize(s.Picture, side/2, side/2)
		a, b := make([]float32, side*side/4), make([]float32, side*side/4)
		for i := range a {
			a[i] = float32(small.Pix[3*i]) / 255
			b[i] = 1 - a[i]
		}
		all = append(all, []Prediction{
			{Map: picture.Map{Prob: a, Width: side / 2, Height: side / 2}},
			{Map: picture.Map{Prob: b, Width: side / 2, Height: side / 2}},
		})
	}
	return all, nil
}

func evaluated(t *testing.T, source dataset.Source, p Predictor, o Options) []Scored {
	t.Helper()
	runs, err := Run(context.Background(), source, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// stored makes scores comparable, those that aren't defined included.
func stored(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRunScoresEveryModelUnderEveryCondition(t *testing.T) {
	blurred, err := ParsePerturbation("blur:3")
	if err != nil {
		t.Fatal(err)
	}
	smaller := Perturbation{PerturbResize, 0.5}
	seen := map[string]bool{}
	var mu sync.Mutex
	r := &reader{}
	runs := evaluated(t, squares(9), r, Options{Batch: 4, Perturb: []Perturbation{blurred, smaller}, Visit: func(v Visit) {
		mu.Lock()
		defer mu.Unlock()
		seen[fmt.Sprint(v.Run, v.Index)] = len(v.Prob) == side*side && v.Sample.Name == v.Scores.Name
	}})
	var got []string
	for _, run := range runs {
		got = append(got, run.Model+"/"+run.Perturbation)
		for i, p := range run.Pictures {
			if p.Name != fmt.Sprintf("p%d", i) || p.Err != nil || p.Manipulated != (i%4 != 3) || !p.Masked {
				t.Errorf("%s: picture %d is %+v", run.Model, i, p)
			}
		}
	}
	if want := "red/ not red/ red/blur:3 not red/blur:3 red/resize:0.5 not red/resize:0.5"; strings.Join(got, " ") != want {
		t.Errorf("runs %q, expected %q", got, want)
	}
	for k, ok := range seen {
		if !ok {
			t.Errorf("visit %s has another sample or size", k)
		}
	}
	if len(seen) != 6*9 {
		t.Errorf("%d maps were visited, expected %d", len(seen), 6*9)
	}
	clean, blurry := Summarize(runs[0].Pictures, SummaryOptions{}), Summarize(runs[2].Pictures, SummaryOptions{})
	if *clean.IoU < 90 || *blurry.IoU >= *clean.IoU {
		t.Errorf("IoU %.2f as they are, %.2f blurred", *clean.IoU, *blurry.IoU)
	}
	if wrong := Summarize(runs[1].Pictures, SummaryOptions{}); *wrong.IoU > 5 {
		t.Errorf("the model that says the opposite has IoU %.2f", *wrong.IoU)
	}
}

// The scores don't depend on batches and workers, and what is in a batch not on the workers.
func TestRunDoesNotDependOnWorkers(t *testing.T) {
	noise := []Perturbation{{PerturbNoise, 20}}
	want := evaluated(t, squares(10), &reader{}, Options{Workers: 1, Perturb: noise, Seed: 3})
	for _, o := range []Options{{Workers: 4, Batch: 3}, {Workers: 2, Batch: 20}, {Workers: 3}} {
		o.Perturb, o.Seed = noise, 3
		r := &reader{}
		if got := evaluated(t, squares(10), r, o); stored(t, got) != stored(t, want) {
			t.Errorf("batch %d, %d workers: other scores", o.Batch, o.Workers)
		}
		for _, n := range r.batches {
			if n > max(o.Batch, 1) {
				t.Errorf("batch of %d, expected at most %d", n, o.Batch)
			}
		}
	}
	if other := evaluated(t, squares(10), &reader{}, Options{Perturb: noise, Seed: 4}); stored(t, other[2]) == stored(t, want[2]) {
		t.Error("another seed gives the same noise")
	}
}

// A picture that can't be read or predicted leaves the others as they are.
func TestRunKeepsFailuresApart(t *testing.T) {
	source := dataset.Generated{Count: 6, ID: "one is bad", Make: func(_ context.Context, i int) (dataset.Sample, error) {
		if i == 2 {
			return dataset.Sample{}, errors.New("p2.png: broken off")
		}
		return square(i), nil
	}}
	runs := evaluated(t, source, &reader{refuse: "p4"}, Options{Batch: 6})
	for i, p := range runs[0].Pictures {
		want := map[int]string{2: "broken off", 4: "p4: no answer"}[i]
		if (p.Err == nil) != (want == "") || p.Err != nil && !strings.Contains(p.Err.Error(), want) {
			t.Errorf("picture %d: %v, expected %q", i, p.Err, want)
		}
	}
	s := Summarize(runs[0].Pictures, SummaryOptions{})
	if s.Failed != 2 || s.Pictures != 4 || FirstError(runs[0].Pictures) == nil {
		t.Errorf("%d failed, %d counted", s.Failed, s.Pictures)
	}
}

func TestRunIsCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := PredictFunc{"m", func(context.Context, *picture.RGB) ([]float32, error) {
		cancel()
		return nil, ctx.Err()
	}}
	if _, err := Run(ctx, squares(5), p, Options{Workers: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Pictures with labels alone count for detection, and for nothing else.
func TestLabelsWithoutMasks(t *testing.T) {
	source := dataset.Generated{Count: 8, ID: "labels", Make: func(_ context.Context, i int) (dataset.Sample, error) {
		s := square(i)
		s.Label = dataset.Untouched
		if s.Mask = nil; i%4 != 3 {
			s.Label = dataset.Manipulated
		}
		return s, nil
	}}
	runs := evaluated(t, source, &reader{}, Options{})
	s := Summarize(runs[0].Pictures, SummaryOptions{Bootstrap: 50})
	if s.Manipulated != 6 || s.Untouched != 2 || s.IoU != nil || s.F1Best != nil || len(s.LeftOut) != 0 {
		t.Errorf("summary %+v", s)
	}
	if s.DetectionByFlags == nil || s.DetectionByFlags.AUC != 1 || s.DetectionByFlags.Accuracy != 1 {
		t.Errorf("detection by flags: %+v", s.DetectionByFlags)
	}
	if s.Detection == nil || s.Detection.AUC != 1 || *s.UntouchedFlagged != 0 {
		t.Errorf("detection %+v, flagged %v", s.Detection, s.UntouchedFlagged)
	}
	if _, ok := s.Intervals["iou"]; ok || s.Intervals["detection_auc"] != (Interval{1, 1}) {
		t.Errorf("intervals %v", s.Intervals)
	}
}

func TestPictureAsJSON(t *testing.T) {
	for _, p := range []Picture{
		{Name: "a", Method: "m", Width: 3, Height: 2, Manipulated: true, Masked: true, Scores: metric.Result{
			IoU: 50.125, F1Fixed: 0.5, F1Best: 1, AP: 0.25, AUC: 0.75, Score: 0.1, Flagged: 0.2, FlagScore: 0.3, Pixels: 6, Manipulated: 2, Sure: 4}},
		{Name: "b", Err: errors.New("b: gone")},
	} {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Picture
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, p) {
			t.Errorf("%s became %+v", text, back)
		}
	}
	undefined := Picture{Scores: metric.Result{F1Best: math.NaN()}}
	text, err := json.Marshal(undefined)
	var back Picture
	if err != nil || json.Unmarshal(text, &back) != nil || !math.IsNaN(back.Scores.F1Best) || back.Scores.IoU != 0 {
		t.Errorf("%s, %v became %+v", text, err, back)
	}
}
