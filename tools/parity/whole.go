package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/tools/twin"
)

// wholeNetworks are other authors' networks, from their published files to results at the picture's
// size.
var wholeNetworks = []string{"trufor", "pscc", "cat-net", "cat-net-dct"}

// whole compares maps, confidence maps and scores of other authors' networks.
func (p *parity) whole() error {
	fmt.Printf("\n%-52s %12s %12s %12s\n", "other authors' networks, largest difference of", "probability", "confidence", "score")
	folder, err := os.MkdirTemp(p.work, "pictures")
	if err != nil {
		return err
	}
	var pictures struct{ Files []string }
	request := map[string]any{"do": "whole pictures", "picture": p.pictures[0], "folder": folder}
	if err := p.twin.Ask(request, &pictures); err != nil {
		return err
	}
	for _, name := range wholeNetworks {
		if !strings.Contains(name, p.only) {
			continue
		}
		if err := p.wholeNetwork(name, pictures.Files); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *parity) wholeNetwork(name string, pictures []string) error {
	folder, err := os.MkdirTemp(p.work, "weights")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	var made struct{ Files []string }
	if err := p.twin.Ask(map[string]any{"do": "whole make", "name": name, "folder": folder}, &made); err != nil {
		return err
	}
	m, err := localize.OpenSeveral(made.Files, localize.Options{Device: "cpu", Threads: p.engine.Info().Threads})
	if err != nil {
		return err
	}
	defer m.Close()
	for _, file := range pictures {
		if err := p.wholePicture(m, name, file); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

func (p *parity) wholePicture(m *localize.Model, name, file string) error {
	out := filepath.Join(p.work, "whole")
	var answer struct {
		Score      *float64 // nil where the network has none
		Confidence bool
	}
	if err := p.twin.Ask(map[string]any{"do": "whole run", "name": name, "picture": file, "out": out}, &answer); err != nil {
		return err
	}
	decoded, err := picture.Open(file, picture.Limits{})
	if err != nil {
		return err
	}
	r, err := m.Localize(context.Background(), decoded)
	if err != nil {
		return err
	}
	probability, err := difference(out+".map", r.Prob)
	if err != nil {
		return err
	}
	confidence := 0.0
	if answer.Confidence {
		if confidence, err = difference(out+".confidence", r.Confidence); err != nil {
			return err
		}
	}
	score := 0.0
	if answer.Score != nil {
		score = math.Abs(r.Score - *answer.Score)
	}
	fmt.Printf("%-52s %12.1e %12.1e %12.1e  %s\n", fmt.Sprintf("%s, %s, %d x %d", name, filepath.Base(file), r.Width, r.Height), probability,
		confidence, score, p.verdict(max(probability, confidence, score) <= mostProbability))
	return nil
}

// localized are a model's probabilities at the size of the picture in a file.
func (p *parity) localized(model, file string) ([]float32, error) {
	m, err := localize.Open(model, localize.Options{Device: "cpu", Threads: p.engine.Info().Threads})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	decoded, err := picture.Open(file, picture.Limits{})
	if err != nil {
		return nil, err
	}
	r, err := m.Localize(context.Background(), decoded)
	if err != nil {
		return nil, err
	}
	return r.Prob, nil
}

// difference is the largest difference of values from those in a file.
func difference(path string, got []float32) (largest float64, err error) {
	want, err := twin.ReadFloats(path)
	if err != nil {
		return 0, err
	}
	if len(want) != len(got) {
		return 0, fmt.Errorf("%d values, PyTorch has %d", len(got), len(want))
	}
	for i, w := range want {
		largest = max(largest, math.Abs(float64(w-got[i])))
	}
	return largest, nil
}
