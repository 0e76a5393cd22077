// Command train-small trains a small network on forged photographs and measures it.
//
//	go run ./examples/train-small -photos DIR [-declip FILE] [-out DIR]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/declip/declip"
)

func main() {
	var t training
	flag.StringVar(&t.program, "declip", "bin/declip", "the declip program")
	flag.StringVar(&t.photos, "photos", "", "directory of untouched photographs")
	flag.StringVar(&t.out, "out", "train-small-output", "directory to write to; it must not exist")
	flag.IntVar(&t.count, "count", 60, "pictures to forge for training")
	flag.IntVar(&t.epochs, "epochs", 3, "passes over the forged pictures")
	flag.Parse()
	if t.photos == "" || flag.NArg() > 0 {
		log.Fatal("usage: train-small -photos DIR [-declip FILE] [-out DIR] [-count N] [-epochs N]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := t.run(ctx); err != nil {
		log.Fatal(err)
	}
}

// training holds the settings of one run.
type training struct {
	program, photos, out string
	count, epochs        int
}

// run forges two data sets, trains on the first, validates and tests on the second, and uses the
// network on one of its pictures. A real study tests on pictures that validation has not seen.
func (t training) run(ctx context.Context) error {
	if err := os.Mkdir(t.out, 0o755); err != nil {
		return err
	}
	train, valid := filepath.Join(t.out, "train"), filepath.Join(t.out, "valid")
	model := filepath.Join(t.out, "model")
	best := filepath.Join(model, "best.safetensors")
	count, validCount := fmt.Sprint(t.count), fmt.Sprint(max(t.count/5, 4))
	for _, arguments := range [][]string{
		{"forge", "--photos", t.photos, "--out", train, "--count", count, "--seed", "1", "--size", "256,320"},
		{"forge", "--photos", t.photos, "--out", valid, "--count", validCount, "--seed", "2", "--size", "256,320"},
		// The published baseline: a small convolutional network that is trained as a whole.
		{"train", "--data", train, "--valid", valid, "--out", model, "--arch", "xceptionnet", "--decoder", "linear",
			"--batch-size", "8", "--epochs", fmt.Sprint(t.epochs)},
		{"eval", "-m", best, "--data", valid},
	} {
		if err := t.declip(ctx, arguments...); err != nil {
			return err
		}
	}
	return use(ctx, best, filepath.Join(valid, "images"))
}

// declip runs the program and shows its output.
func (t training) declip(ctx context.Context, arguments ...string) error {
	fmt.Println("declip", strings.Join(arguments, " "))
	cmd := exec.CommandContext(ctx, t.program, arguments...)
	// An interrupted training writes a checkpoint before it ends.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("declip %s: %w", arguments[0], err)
	}
	return nil
}

// use opens the trained network as any other model and localizes one picture.
func use(ctx context.Context, path, pictures string) error {
	entries, err := os.ReadDir(pictures)
	if err != nil {
		return err
	}
	model, err := declip.Open(path, declip.Options{})
	if err != nil {
		return err
	}
	defer model.Close()
	picture := filepath.Join(pictures, entries[0].Name())
	result, err := model.LocalizeFile(ctx, picture)
	if err != nil {
		return err
	}
	fmt.Printf("%s: score %.2f by %s\n", picture, result.Score, model.Info().Network)
	return nil
}
