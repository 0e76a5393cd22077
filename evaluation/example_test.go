package evaluation_test

import (
	"context"
	"fmt"
	"log"
	"path/filepath"

	"github.com/declip/declip"
	"github.com/declip/declip/evaluation"
)

// Maps that you have are scored one at a time. No engine is needed.
func Example() {
	e, err := evaluation.New(evaluation.Options{})
	if err != nil {
		log.Fatal(err)
	}
	mask, err := evaluation.NewMask([]bool{false, true, true, false}, 4, 1)
	if err != nil {
		log.Fatal(err)
	}
	scores, err := e.Add(evaluation.Picture{
		Name: "forged.png", Mask: mask,
		Map: declip.Map{Prob: []float32{0.1, 0.9, 0.4, 0.2}, Width: 4, Height: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: IoU %.0f %%, plain F1 %.3f\n", scores.Name, scores.IoU, scores.F1Plain)
	_, err = e.Add(evaluation.Picture{
		Name: "photo.png", Label: evaluation.Untouched,
		Map: declip.Map{Prob: []float32{0.1, 0.1, 0.2, 0.1}, Width: 4, Height: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	s := e.Summary()
	fmt.Printf("balanced accuracy %.2f, MCC %.3f, pooled F1 %.3f\n", *s.BalancedAccuracy, *s.MCC, s.Pooled.F1)
	fmt.Printf("%d untouched, %.0f %% flagged\n", s.Untouched, 100**s.UntouchedFlagged)
	// Output:
	// forged.png: IoU 50 %, plain F1 0.667
	// balanced accuracy 0.75, MCC 0.577, pooled F1 0.667
	// 1 untouched, 0 % flagged
}

// Results of a model are scored in the same way.
func ExampleEvaluation_Add() {
	e, err := evaluation.New(evaluation.Options{Threshold: 0.7})
	if err != nil {
		log.Fatal(err)
	}
	// The result of Model.Localize.
	result := &declip.Result{Width: 2, Height: 2, Prob: []float32{0.8, 0.6, 0.1, 0.2}}
	mask, err := evaluation.NewMask([]bool{true, true, false, false}, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	scores, err := e.Add(evaluation.Picture{
		Map:  declip.Map{Prob: result.Prob, Width: result.Width, Height: result.Height},
		Mask: mask,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d manipulated pixels found, AP %.0f\n", scores.FoundPixels, scores.ManipulatedPixels, scores.AP)
	// Output: 1 of 2 manipulated pixels found, AP 1
}

// Run measures a model on a data set, here a list of two pictures.
func ExampleRun() {
	ctx := context.Background()
	model, err := declip.Open("lite", declip.Options{Device: "cpu"})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	data, err := evaluation.OpenData(ctx, []string{"testdata/sample.csv"}, evaluation.DataOptions{})
	if err != nil {
		log.Fatal(err)
	}
	e, err := evaluation.Run(ctx, data, model, evaluation.RunOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range e.Pictures() {
		if p.Err != nil {
			log.Fatal(p.Err)
		}
		fmt.Printf("%s: %d x %d, manipulated %v\n", filepath.Base(p.Name), p.Width, p.Height, p.Manipulated)
	}
	fmt.Println(e.Summary().Manipulated, "manipulated,", e.Summary().Untouched, "untouched")
	// Output:
	// forged.jpg: 960 x 640, manipulated true
	// original.jpg: 960 x 640, manipulated false
	// 1 manipulated, 1 untouched
}
