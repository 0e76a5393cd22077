package train

import (
	"context"
	"math"
	"reflect"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

func TestCosine(t *testing.T) {
	var c Config
	c.Schedule, c.LR, c.Warmup = Cosine, 1, 10
	for step, want := range map[int64]float64{0: 0.1, 9: 1, 10: 1, 60: 0.505, 110: 0.01, 200: 0.01} {
		if got := c.rate(State{Step: step}, 110); math.Abs(got-want) > 1e-12 {
			t.Errorf("rate at step %d of 110 is %g, want %g", step, got, want)
		}
	}
}

// The published early stopping: five epochs that do not improve by 0.001 divide the rate by ten.
func TestPlateau(t *testing.T) {
	var c Config
	c.Schedule, c.LR, c.BestBy = Plateau, 1e-3, ByIoU
	s := State{}
	epoch := func(value float64) bool {
		s.Epoch++
		return c.judge(&s, &Score{IoU: value})
	}
	if !epoch(50) || !epoch(51) {
		t.Error("a better epoch was not the best")
	}
	for i := range 4 {
		if best := epoch(51.0001 + float64(i)*1e-4); !best || s.Drops != 0 {
			t.Errorf("epoch %d: best %v, drops %d", s.Epoch, best, s.Drops)
		}
	}
	if epoch(20); s.Drops != 1 || c.rate(s, 1) != 1e-4 {
		t.Errorf("after five epochs without improvement: %+v, rate %g", s, c.rate(s, 1))
	}
	epoch(51.0015) // better by 0.0015: counts before the first drop, not after it
	if s.Stale != 1 {
		t.Errorf("an improvement under 0.002 after a drop counted: %+v", s)
	}
	for range 14 {
		epoch(0)
	}
	if s.Drops != 4 || !s.Ended { // 1e-3 -> 1e-7 < 1e-6
		t.Errorf("got %+v, want the end after four drops", s)
	}
	if s.Best != 51.0015 || s.BestEpoch != 8 {
		t.Errorf("best is %g of epoch %d, want 51.0015 of 8", s.Best, s.BestEpoch)
	}
}

func TestAverage(t *testing.T) {
	a := newAverage(0.9, []network.Param{{Name: "w", Data: []float32{10}}})
	now := []network.Param{{Name: "w", Data: []float32{20}}}
	a.add(now, 1) // decay min(0.9, 2/11): 10 + 9/11*10
	if got, want := float64(a.params[0].Data[0]), 10+90./11; math.Abs(got-want) > 1e-5 {
		t.Errorf("got %g, want %g", got, want)
	}
	before := float64(a.params[0].Data[0])
	a.add(now, 1000)
	if got, want := float64(a.params[0].Data[0]), before+0.1*(20-before); math.Abs(got-want) > 1e-5 {
		t.Errorf("got %g, want %g", got, want)
	}
}

// A prediction equal to the mask has perfect scores; the picture's red channel as a prediction has
// not.
func TestEvaluate(t *testing.T) {
	source := patches{8}
	masks := map[*uint8][]float32{}
	loaded := fixed{}
	for i := range source.n {
		s, err := source.Load(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		prob := make([]float32, len(s.Mask.Pix))
		for j, v := range s.Mask.Pix {
			prob[j] = float32(v) / 255
		}
		masks[&s.Picture.Pix[0]] = prob
		loaded = append(loaded, s)
	}
	truth := func(_ context.Context, p *picture.Picture) ([]float32, error) { return masks[&p.Pix[0]], nil }
	results, err := Evaluate(context.Background(), loaded, truth, ScoreOptions{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	got := Summarize(results)
	want := Score{Pictures: 8, Manipulated: 6, IoU: 100, F1: 1, F1Best: 1, AP: 1, Detection: &DetectionScore{AP: 1, Accuracy: 0.25, BestAccuracy: 1}, // masks cover less than half
		Methods: map[string]MethodScore{"noise": {6, 100, 1, 1}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	all := func(_ context.Context, p *picture.Picture) ([]float32, error) {
		prob := make([]float32, p.Width*p.Height)
		for i := range prob {
			prob[i] = 0.75
		}
		return prob, nil
	}
	results, err = Evaluate(context.Background(), loaded, all, ScoreOptions{Limit: 6})
	if err != nil {
		t.Fatal(err)
	}
	if got := Summarize(results); got.Pictures != 6 || got.Manipulated == 6 || got.Flagged != 1 || got.IoU > 50 {
		t.Errorf("everything flagged: got %+v", got)
	}
}

type fixed []dataset.Sample

func (f fixed) Len() int                                              { return len(f) }
func (f fixed) Load(_ context.Context, i int) (dataset.Sample, error) { return f[i], nil }

// The Dice term is computed per picture: with one perfect prediction and one untouched picture that
// is marked everywhere, the mean is half of the second picture's loss.
func TestDice(t *testing.T) {
	e := open(t)
	const side = 8
	f := &formula{g: graph.New()}
	f.config.Loss = Loss{Positive: 1, Dice: 1}
	z, target := f.g.Input("z", 2, 1, side, side), f.g.Input("t", 2, 1, side, side)
	dice := graph.Reshape(graph.Sub(f.loss(z, target), graph.BCEWithLogits(z, target)), 1)
	model, err := f.g.Encode([]graph.Output{{Name: "dice", Node: dice}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := e.Load(model, engine.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	logits, mask := make([]float32, 2*side*side), make([]float32, 2*side*side)
	for i := range logits {
		logits[i] = -30
		if i < 20 || i >= side*side {
			logits[i] = 30
		}
		if i < 20 {
			mask[i] = 1
		}
	}
	inputs := map[string]*engine.Tensor{}
	for name, data := range map[string][]float32{"z": logits, "t": mask} {
		if inputs[name], err = engine.NewTensor([]int{2, 1, side, side}, data); err != nil {
			t.Fatal(err)
		}
	}
	out, err := session.Run(context.Background(), inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	const slack = side * side / 100.
	want := (1 - slack/(side*side+slack)) / 2
	if got := float64(out["dice"].Float32s()[0]); math.Abs(got-want) > 1e-5 {
		t.Errorf("got %g, expected %g", got, want)
	}
}
