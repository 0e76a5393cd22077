package evaluate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

const side = 48

// square is a picture whose red channel is 200 in a square that the mask marks, and 50 elsewhere.
// The position of the square depends on i, and every fourth picture is untouched.
func square(i int) dataset.Sample {
	p, m := picture.NewRGB(side, side), picture.NewGray(side, side)
	s := dataset.Sample{Picture: picture.New(p), Mask: m, Name: fmt.Sprintf("p%d", i), Method: []string{"splice", "inpaint"}[i%2]}
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

// reader predicts the red channel at half size; its second model predicts the opposite.
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
		small := picture.Resize(s.Picture.RGB, side/2, side/2)
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

// evaluated runs an evaluation; zeros in o mean the defaults.
func evaluated(t *testing.T, source dataset.Source, p Predictor, o Options) []Scored {
	t.Helper()
	d := DefaultOptions()
	o.Threshold, o.Batch, o.Workers = d.Threshold, cmp.Or(o.Batch, d.Batch), cmp.Or(o.Workers, d.Workers)
	runs, err := Run(context.Background(), source, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// stored makes scores comparable, including those that are not defined.
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
	clean, blurry := Summarize(runs[0].Pictures, DefaultSummaryOptions()), Summarize(runs[2].Pictures, DefaultSummaryOptions())
	if *clean.IoU < 90 || *blurry.IoU >= *clean.IoU {
		t.Errorf("IoU %.2f as they are, %.2f blurred", *clean.IoU, *blurry.IoU)
	}
	if wrong := Summarize(runs[1].Pictures, DefaultSummaryOptions()); *wrong.IoU > 5 {
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

// A picture that cannot be read or predicted does not affect the others.
func TestRunKeepsFailuresApart(t *testing.T) {
	source := dataset.Generated{Count: 6, ID: "one is bad", Make: func(_ context.Context, i int) (dataset.Sample, error) {
		if i == 2 {
			return dataset.Sample{}, errors.New("p2.png: truncated")
		}
		return square(i), nil
	}}
	runs := evaluated(t, source, &reader{refuse: "p4"}, Options{Batch: 6})
	for i, p := range runs[0].Pictures {
		want := map[int]string{2: "truncated", 4: "p4: no answer"}[i]
		if (p.Err == nil) != (want == "") || p.Err != nil && !strings.Contains(p.Err.Error(), want) {
			t.Errorf("picture %d: %v, expected %q", i, p.Err, want)
		}
	}
	s := Summarize(runs[0].Pictures, DefaultSummaryOptions())
	if s.Failed != 2 || s.Pictures != 4 || FirstError(runs[0].Pictures) == nil {
		t.Errorf("%d failed, %d counted", s.Failed, s.Pictures)
	}
}

// canceller ends the context of the evaluation.
type canceller struct{ cancel func() }

func (canceller) Models() []string { return []string{"m"} }

func (c canceller) Predict(ctx context.Context, _ []dataset.Sample) ([][]Prediction, error) {
	c.cancel()
	return nil, ctx.Err()
}

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := canceller{cancel}
	if _, err := Run(ctx, squares(5), p, DefaultOptions()); !errors.Is(err, context.Canceled) {
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
	s := Summarize(runs[0].Pictures, SummaryOptions{Threshold: 0.5, Bootstrap: 50})
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

// A panic in any stage is an error of its picture, and the others have scores.
func TestPanicsAreErrorsOfTheirPicture(t *testing.T) {
	noise := []Perturbation{{PerturbNoise, 5}}
	want := stored(t, evaluated(t, squares(6), &reader{}, Options{Perturb: noise})[0].Pictures[1])
	for _, stage := range []string{"load", "predict"} {
		for _, batch := range []int{1, 3} {
			var calls atomic.Int32
			restore := parallel.Inject(func(s string) {
				if s == stage && calls.Add(1) == 1 {
					panic("injected fault")
				}
			})
			runs := evaluated(t, squares(6), &reader{}, Options{Workers: 1, Batch: batch, Perturb: noise})
			restore()
			failed := 0
			for _, p := range runs[0].Pictures {
				if p.Err != nil {
					failed++
					if !strings.Contains(p.Err.Error(), "injected fault") {
						t.Errorf("%s: %v", stage, p.Err)
					}
				}
			}
			// A batch that panics is tried again picture by picture, and the injected fault is over
			// then.
			if wanted := 1; failed != wanted && !(stage == "predict" && batch > 1 && failed == 0) {
				t.Errorf("%s, batches of %d: %d pictures failed, expected %d", stage, batch, failed, wanted)
			}
			if got := stored(t, runs[0].Pictures[1]); got != want {
				t.Errorf("%s: another picture has other scores: %s, expected %s", stage, got, want)
			}
		}
	}
	broken := Options{Visit: func(v Visit) {
		if v.Index == 2 {
			panic("injected fault")
		}
	}}
	for i, p := range evaluated(t, squares(4), &reader{}, broken)[0].Pictures {
		if (p.Err != nil) != (i == 2) || p.Err != nil && !strings.HasPrefix(p.Err.Error(), "p2: ") {
			t.Errorf("picture %d: %v", i, p.Err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, change := range []func(*Options){
		func(o *Options) { o.Threshold = 1.5 },
		func(o *Options) { o.Batch = 0 },
		func(o *Options) { o.Workers = 0 },
	} {
		o := DefaultOptions()
		change(&o)
		if _, err := Run(context.Background(), squares(1), &reader{}, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// Results that were stored before there were plain scores have none, and no pooled ones.
func TestStoredWithoutPlainScores(t *testing.T) {
	var p Picture
	old := `{"name":"a.png","method":"splice","width":92,"height":76,"manipulated":true,"masked":true,"iou":1.4,"f1_fixed":0.1,"f1_best":0.2,"ap":0.01,` +
		`"auc":0.6,"mean_probability":0.6,"fraction_over_threshold":0.9,"flag_score":0.6,"pixels":6992,"manipulated_pixels":98,"sure_pixels":6554}`
	if err := json.Unmarshal([]byte(old), &p); err != nil {
		t.Fatal(err)
	}
	if s := Summarize([]Picture{p}, SummaryOptions{Threshold: 0.5}); s.AP == nil || s.F1Plain != nil || s.MCC != nil || s.Pooled != nil || s.LeftOut["f1_plain"] != nil {
		t.Errorf("got %+v", s)
	}
}
