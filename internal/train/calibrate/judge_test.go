package calibrate

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

// The fit finds the weights that examples were drawn with, for features of any scale and any
// share of manipulated ones.
func TestFitLogistic(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 5))
	var list []example
	var count [2]int
	for range 40000 {
		x := []float64{100 + 20*random.NormFloat64(), 0.01 * random.NormFloat64(), 7}
		manipulated := random.Float64() < numeric.Sigmoid(0.1*(x[0]-100)-50*x[1])
		if manipulated && random.IntN(3) > 0 { // a third of the manipulated ones
			continue
		}
		count[index(manipulated)]++
		list = append(list, example{x, manipulated})
	}
	weights, bias, err := fitLogistic(list)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(weights[0]-0.1) > 0.01 || math.Abs(weights[1]+50) > 5 || math.Abs(weights[2]) > 1e-9 {
		t.Errorf("weights %v, expected about 0.1, -50 and 0 for the constant", weights)
	}
	if at := bias + weights[0]*100 + weights[2]*7; math.Abs(at) > 0.1 {
		t.Errorf("the logit in the middle is %g, expected about 0 though %v are untouched and manipulated", at, count)
	}
	if _, _, err := fitLogistic(list[:0]); err == nil {
		t.Error("no examples are taken")
	}
}

// Too few pictures of a kind are an error of the first pass.
func TestRunJudgeNeedsBothKinds(t *testing.T) {
	o := options(t, makePicture("a", 40, true), makePicture("b", 40, true), makePicture("c", 40, false))
	o.Judge = true
	passes := 0
	o.Done = func(pass, _ int) { passes = pass + 1 }
	_, err := Run(t.Context(), model(t), o)
	if err == nil || !strings.Contains(err.Error(), "at least 2 manipulated and 2 untouched pictures, and there are 2 and 1: add untouched ones with --pristine") {
		t.Errorf("error %v", err)
	}
	if passes != 1 {
		t.Errorf("%d passes, expected 1", passes)
	}
}

// A calibration with Judge writes what judges whole pictures into the file.
func TestRunJudges(t *testing.T) {
	var pictures []Picture
	for i := range 10 {
		pictures = append(pictures, makePicture(fmt.Sprint("forged", i), 40, true), makePicture(fmt.Sprint("untouched", i), 40, false))
	}
	o := options(t, pictures...)
	o.Judge = true
	o.OpenFacts = func(string) (Features, func(), error) {
		n := len(localize.JudgeFeatures())
		return func(_ context.Context, p *picture.Picture) ([]float64, error) {
			values := make([]float64, n)
			values[2] = float64(p.Pix[3*(32*side+32)]) // 100 within the square
			return values, nil
		}, func() {}, nil
	}
	r, err := Run(context.Background(), model(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if j := r.Judged; j == nil || j.AUC != 1 || j.FoundAt != 1 || j.ECE > 0.3 || len(j.Bins) == 0 {
		t.Errorf("judged: %+v", j)
	}
	j := r.net.Spec().Judge
	if j == nil || len(j.Weights) != len(localize.JudgeFeatures()) || j.Weights[2] <= 0 {
		t.Errorf("the file's judge is %+v", j)
	}
}
