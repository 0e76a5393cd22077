package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/tools/twin"
)

// What is measured of DINOv3-IML, and the ratios to reach.
const (
	dinoSide     = 512
	dinoRepeats  = 5
	dinoRank     = 32
	aimDINOSmall = 2.0
	aimDINOLarge = 2.5
)

// benchDINO compares DINOv3-IML on its smallest and largest backbone, with random weights in its
// published layout, with PyTorch: a picture with the head, and a training step of adapters.
func benchDINO(o options, work string) error {
	file := filepath.Join(work, "dino.png")
	if err := picture.WritePNG(file, render(dinoSide, dinoSide)); err != nil {
		return err
	}
	fmt.Printf("\n%-44s %10s %10s %8s\n", fmt.Sprintf("DINOv3-IML at %d x %d", dinoSide, dinoSide), "declip", "other", "ratio")
	for _, c := range []struct {
		name string
		aim  float64
	}{{"dinov3-vits16", aimDINOSmall}, {"dinov3-vitl16", aimDINOLarge}} {
		if err := dinoPicture(o, work, c.name, c.aim, file); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return adaptedStep(o, work)
}

// startDINO starts the other side and makes a checkpoint. checkpoint is "" without PyTorch.
func startDINO(o options, name, dir string) (other *twin.Twin, checkpoint string, err error) {
	other, err = twin.Start(o.python, filepath.Join(filepath.Dir(o.twin), "dino_torch.py"), o.threads)
	if err != nil || other.Torch == "" {
		return other, "", err
	}
	var made struct{ Files []string }
	if err := other.Ask(map[string]any{"do": "iml make", "name": name, "rank": dinoRank, "folder": dir}, &made); err != nil {
		other.Stop()
		return nil, "", err
	}
	return other, made.Files[0], nil
}

// dinoPicture lets both sides take turns with a picture. Both end with the map of the network.
func dinoPicture(o options, work, name string, aim float64, file string) error {
	dir, err := os.MkdirTemp(work, "dino")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	other, checkpoint, err := startDINO(o, name, dir)
	if err != nil {
		return err
	}
	defer other.Stop()
	if checkpoint == "" {
		fmt.Printf("%-44s %10s\n", name, "(needs PyTorch to make its weights)")
		return nil
	}
	m, err := localize.Open(checkpoint, localize.Options{Device: "cpu", Threads: o.threads})
	if err != nil {
		return err
	}
	defer m.Close()
	decoded, err := picture.Open(file, picture.Limits{})
	if err != nil {
		return err
	}
	var ours, others []float64
	for i := range dinoRepeats + 1 {
		began := time.Now()
		if _, err := m.Localize(context.Background(), decoded); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		var answer struct{ Seconds float64 }
		if err := other.Ask(map[string]any{"do": "time", "side": dinoSide}, &answer); err != nil {
			return err
		}
		if i > 0 { // the first warms both sides up
			ours, others = append(ours, took), append(others, answer.Seconds)
		}
	}
	row(name+" with head, one picture", ours, others, fmt.Sprintf("PyTorch %s, aim: %gx", other.Torch, aim))
	return nil
}
