// Command parity compares declip with PyTorch at full size and prints one plain table of
// differences.
//
// PyTorch makes weights files in the published layouts with random weights, and both sides run on
// the same pictures. If the given Python has no PyTorch, parity says so and does nothing.
//
// It fails if probabilities differ by more than 1e-4, logits by more than a thousandth of the
// largest, or pixels after decoding and scaling by more than one level of 255 for JPEG and at all
// for PNG. One training step of the published decoder must agree to 1e-5 in its loss and to 1e-4 in
// running statistics and weights: with AdamW for weights with clear gradients and, from PyTorch's
// gradients, for all; with plain SGD for all. No gradient may be twice as far from float64's as
// PyTorch's is, or as rounding moves it.
//
// Features of DINO's backbones may differ by a thousandth of the largest.
//
//	go run ./tools/parity [-python FILE] [-threads 2] [-only text] [-dino name] [picture...]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/tools/twin"
)

// The largest allowed differences.
const (
	mostProbability = 1e-4
	mostLogit       = 1e-3 // of the largest
	mostJPEG        = 1    // levels
)

// parity is the state that the comparisons share.
type parity struct {
	work     string
	twin     *twin.Twin
	engine   *engine.Engine
	pictures []string // PNG files, which both sides decode to the same pixels
	only     string
	failed   int
}

func main() {
	python := flag.String("python", "/usr/bin/python3", "a Python that may have torch, numpy and PIL")
	program := flag.String("twin", "tools/golden/parity_torch.py", "the other side's program")
	threads := flag.Int("threads", 2, "threads of either side")
	only := flag.String("only", "", "run only networks whose line contains this")
	also := flag.String("dino", "", "also compare this backbone in all namings, such as dinov3-vith16plus")
	flag.Parse()
	if err := run(*python, *program, *threads, *only, *also, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "parity:", err)
		os.Exit(1)
	}
}

func run(python, program string, threads int, only, also string, pictures []string) error {
	began := time.Now()
	other, err := twin.Start(python, program, threads)
	if err != nil {
		return err
	}
	defer other.Stop()
	if other.Torch == "" {
		fmt.Printf("%s has no PyTorch with NumPy and PIL: nothing to compare with\n", python)
		return nil
	}
	work, err := os.MkdirTemp("", "declip-parity-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	p := &parity{work: work, twin: other, only: only}
	if p.engine, err = engine.Open(engine.Options{Device: "cpu", Threads: threads}); err != nil {
		return err
	}
	fmt.Printf("PyTorch %s, ONNX Runtime %s, %d threads each\n", other.Torch, p.engine.Info().Version, threads)
	if len(pictures) == 0 {
		pictures = []string{"testdata/sample/forged.jpg", "testdata/sample/original.jpg"}
	}
	if err := p.preprocessing(pictures); err != nil {
		return err
	}
	if err := p.networks(); err != nil {
		return err
	}
	if err := p.whole(); err != nil {
		return err
	}
	if err := p.dino(python, filepath.Join(filepath.Dir(program), "dino_torch.py"), threads, also); err != nil {
		return err
	}
	if err := p.training(python, filepath.Join(filepath.Dir(program), "training_torch.py"), threads); err != nil {
		return err
	}
	fmt.Printf("%s in all\n", time.Since(began).Round(time.Second))
	if p.failed > 0 {
		return fmt.Errorf("%d comparisons differ by more than allowed", p.failed)
	}
	return nil
}

// verdict counts differences beyond a bound.
func (p *parity) verdict(ok bool) string {
	if ok {
		return "ok"
	}
	p.failed++
	return "TOO FAR"
}

// preprocessing compares the pixels that the networks get, and makes PNG copies of the pictures.
func (p *parity) preprocessing(files []string) error {
	fmt.Printf("\n%-52s %10s %12s\n", "pixels after decoding and scaling, levels of 255", "largest", "mean")
	for i, file := range files {
		decoded, err := picture.Open(file, picture.Limits{MaxPixels: picture.DefaultMaxPixels})
		if err != nil {
			return err
		}
		copied := filepath.Join(p.work, fmt.Sprintf("%d.png", i))
		if err := picture.WritePNG(copied, decoded.RGB); err != nil {
			return err
		}
		p.pictures = append(p.pictures, copied)
		for _, f := range []string{file, copied} {
			for _, side := range []int{224, 336} {
				if err := p.pixels(f, decoded.RGB, side, f == file && decoded.Format == "jpeg"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *parity) pixels(file string, rgb *picture.RGB, side int, jpeg bool) error {
	out := filepath.Join(p.work, "pixels")
	request := map[string]any{"do": "pixels", "picture": file, "side": side, "out": out}
	if err := p.twin.Ask(request, &struct{}{}); err != nil {
		return err
	}
	want, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	got := picture.Resize(rgb, side, side).Pix
	if len(got) != len(want) {
		return errors.New("the other side's picture has another size")
	}
	largest, sum := 0, 0
	for i, v := range got {
		d := max(int(v)-int(want[i]), int(want[i])-int(v))
		largest, sum = max(largest, d), sum+d
	}
	bound := 0
	if jpeg {
		bound = mostJPEG
	}
	fmt.Printf("%-52s %10d %12.5f  %s\n", fmt.Sprintf("%s, %d x %d", strings.TrimPrefix(file, p.work+"/"), side, side),
		largest, float64(sum)/float64(len(got)), p.verdict(largest <= bound))
	return nil
}
