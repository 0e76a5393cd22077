// Command bench measures the speed of declip and prints one plain table.
//
// It measures the whole program on pictures of one and of twelve megapixels, and compares its parts
// with PyTorch and NumPy (tools/golden/bench_torch.py) if the given Python has them. Both sides
// take turns with the same number of threads, and medians are compared.
//
// For the paper's largest network, with random weights in its published layout, it compares
// inference with the published computation (tools/golden/parity_torch.py), the decoder's training
// steps with PyTorch's (tools/golden/training_torch.py), and an epoch on the frozen backbone with
// the published loop (tools/golden/epoch_torch.py). Other authors' networks, too, run next to
// PyTorch (tools/golden/whole.py), and so do DINOv3-IML and a training step of adapters
// (tools/golden/dino_torch.py).
//
// It fails if the results of the two sides differ; for the paper's networks make parity checks
// that.
//
//	go run ./tools/bench [-m lite] [-declip bin/declip] [-python /usr/bin/python3] [-threads 2]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/tools/twin"
)

// options are the flags.
type options struct {
	model, program, python, twin string
	threads                      int
	published, training, metrics bool
	epoch, whole, dino, lora     bool
	adapters                     int    // only take training steps of adapters with this batch size
	step                         int    // only take training steps with this batch size
	train, decoder               string // only train this decoder on the data in this directory
}

func main() {
	var o options
	flag.StringVar(&o.model, "m", models.Default, "model: a built-in name, or a file")
	flag.StringVar(&o.program, "declip", "bin/declip", "the program to measure")
	flag.StringVar(&o.python, "python", "/usr/bin/python3", "a Python that may have torch and numpy")
	flag.StringVar(&o.twin, "twin", "tools/golden/bench_torch.py", "the other side's program")
	flag.BoolVar(&o.published, "published", false, "measure the paper's network only")
	flag.BoolVar(&o.training, "training", false, "measure training steps of the paper's network only")
	flag.IntVar(&o.step, "step", 0, "take training steps with batches of `n` pictures on features of the backbone in -m, and print the seconds per picture as JSON")
	flag.BoolVar(&o.epoch, "epoch", false, "measure an epoch of the paper's network only")
	flag.StringVar(&o.train, "train", "", "train the paper's network on this directory, made by bench, and print the seconds per picture as JSON")
	flag.StringVar(&o.decoder, "decoder", "conv-20", "decoder of -train")
	flag.BoolVar(&o.whole, "whole", false, "measure other authors' networks only")
	flag.BoolVar(&o.dino, "dino", false, "measure DINOv3-IML and adapters only")
	flag.IntVar(&o.adapters, "adapters", 0, "take training steps of adapters of the backbone in -m with batches of `n` pictures, one for each line of standard input, and print seconds and memory as JSON")
	flag.BoolVar(&o.lora, "lora", false, "measure a training step of adapters only")
	flag.BoolVar(&o.metrics, "metrics", false, "measure the scores only")
	flag.IntVar(&o.threads, "threads", 2, "threads of either side")
	flag.Parse()
	runtime.GOMAXPROCS(o.threads)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	switch {
	case o.step > 0:
		return takeSteps(o)
	case o.train != "":
		return takeEpochs(o)
	case o.adapters > 0:
		return takeAdaptedSteps(o)
	}
	if err := warnSlowProducts(o); err != nil {
		return err
	}
	began := time.Now()
	work, err := os.MkdirTemp("", "declip-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	done := func() error {
		fmt.Printf("\n%d threads each, medians, %s in all\n", o.threads, time.Since(began).Round(time.Second))
		return nil
	}
	if o.epoch {
		return errors.Join(benchEpoch(o, work), done())
	}
	if o.whole {
		return errors.Join(benchWhole(o, work), done())
	}
	if o.dino {
		return errors.Join(benchDINO(o, work), done())
	}
	if o.lora {
		return errors.Join(benchAdapters(o, work), done())
	}
	if o.training {
		return errors.Join(benchTraining(o, work), done())
	}
	e, err := engine.Open(engine.Options{Device: "cpu", Threads: o.threads})
	if err != nil {
		return err
	}
	if o.metrics {
		return benchMetrics(o, work)
	}
	if !o.published {
		if err := benchModel(o, work, e); err != nil {
			return err
		}
	}
	if err := benchPublished(o, work, e); err != nil {
		return err
	}
	if o.published {
		return done()
	}
	return errors.Join(benchWhole(o, work), benchDINO(o, work), benchTraining(o, work), benchEpoch(o, work), done())
}

// benchModel measures one of declip's models and the parts around it.
func benchModel(o options, work string, e *engine.Engine) error {
	net, file, err := openModel(o.model, work)
	if err != nil {
		return err
	}
	if err := program(o, work, file); err != nil {
		return err
	}
	other, err := twin.Start(o.python, o.twin, o.threads)
	if err != nil {
		return err
	}
	defer other.Stop()
	return compare(&bench{options: o, work: work, engine: e, twin: other, net: net, file: file})
}

// openModel opens the network and writes it as a file for both sides. If the default model is not
// built in, it uses random weights, on which the speed does not depend.
func openModel(name, work string) (*network.Network, string, error) {
	path := filepath.Join(work, "model.safetensors")
	file, err := models.Open(name)
	if errors.Is(err, models.ErrNotFound) && name == models.Default {
		fmt.Printf("model %s is not built in: using random weights\n", name)
		net, err := network.New(network.Spec{Arch: network.ArchLite, LiteOptions: network.LiteOptions{Residual: true, DCT: 48}}, 1)
		if err != nil {
			return nil, "", err
		}
		return net, path, writeModel(path, net)
	}
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	net, err := network.Open(file)
	if err != nil {
		return nil, "", err
	}
	return net, path, writeModel(path, net)
}

func writeModel(path string, net *network.Network) error {
	var tensors []weights.Tensor
	for _, p := range net.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	return weights.Write(path, tensors, map[string]string{network.SpecKey: net.SpecJSON()})
}

func median[T ~int64 | ~float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
