package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/tools/twin"
)

// The aims for ViT-L/14 layer20 conv-20 on two cores.
const (
	aimRatio   = 2.4  // times as fast as PyTorch
	aimSharing = 5.0  // % of overhead of four decoders on one backbone
	aimPeak    = 1.7  // GB resident
	aimPrivate = 0.45 // GB of private memory with --low-memory
	aimFirst   = 4.0  // seconds from the start to the first result
)

// published compares the paper's largest network, in the form of its published checkpoint, with
// PyTorch running the published layers, including the transformer blocks after the layer that is
// used.
type published struct {
	options
	work   string
	engine *engine.Engine
	twin   *twin.Twin
	file   string
}

func benchPublished(o options, work string, e *engine.Engine) error {
	p := &published{options: o, work: work, engine: e}
	var err error
	if p.twin, err = twin.Start(o.python, filepath.Join(filepath.Dir(o.twin), "parity_torch.py"), o.threads); err != nil {
		return err
	}
	defer p.twin.Stop()
	if err := p.makeFile(); err != nil {
		return err
	}
	if err := p.process(); err != nil {
		return err
	}
	fmt.Printf("\n%-44s %10s %10s %8s\n", "ViT-L/14 layer20 conv-20", "declip", "other", "ratio")
	for _, do := range []func() error{
		func() error { return p.pictures(1, 5) },
		func() error { return p.pictures(8, 3) },
		p.sharing,
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// makeFile makes a checkpoint with random weights, with PyTorch if it is installed.
func (p *published) makeFile() error {
	if p.twin.Torch == "" {
		p.file = filepath.Join(p.work, "vit.safetensors")
		rules := slices.Concat(networktest.ViT("model.model.visual.", 1024, 14, 21, 16),
			networktest.Conv("model.", 1024, networktest.AllStages(20, [4]int{512, 256, 128, 64})))
		return weights.Write(p.file, networktest.Tensors(rules), networktest.Published("layer20", "conv-20"))
	}
	var made struct{ Files []string }
	request := map[string]any{"do": "make", "name": "vit", "arch": "ViT-L/14", "layer": "layer20", "decoder": "conv-20", "folder": p.work}
	if err := p.twin.Ask(request, &made); err != nil {
		return err
	}
	p.file = made.Files[0]
	return nil
}

// process measures the whole program, from its start to its end, with one picture.
func (p *published) process() error {
	path := filepath.Join(p.work, "picture.jpg")
	if err := picture.WriteJPEG(path, render(1152, 868), 90); err != nil {
		return err
	}
	fmt.Printf("\n%-44s %10s %12s %12s\n", "ViT-L/14 layer20 conv-20, a process each", "seconds", "peak memory", "its own")
	for _, low := range []bool{false, true} {
		args := []string{"localize", "-m", p.file, "-o", filepath.Join(p.work, "out"), "--device", "cpu", "--threads", fmt.Sprint(p.threads), path}
		what, aim := "first result", fmt.Sprintf("aim: %g s, %g GB", aimFirst, aimPeak)
		if low {
			args = append(args, "--low-memory")
			what, aim = "first result, --low-memory", fmt.Sprintf("aim: %g s, %g GB of its own", aimFirst, aimPrivate)
		}
		var times []time.Duration
		var peaks, own []float64
		for range 4 { // the first fills the file cache
			took, used, err := start(p.options, args...)
			if err != nil {
				return err
			}
			times, peaks, own = append(times, took), append(peaks, used.peak), append(own, used.private)
		}
		fmt.Printf("%-44s %10.2f %9.2f GB %9.2f GB  %s\n", what, median(times[1:]).Seconds(), median(peaks[1:])/1e9, median(own[1:])/1e9, aim)
	}
	return nil
}

// open loads n models of the file.
func (p *published) open(count int) (*localize.Group, func(), error) {
	file, err := weights.Open(p.file)
	if err != nil {
		return nil, nil, err
	}
	var models []*network.Pretrained
	for range count {
		m, err := network.OpenPretrained(file, network.Override{})
		if err != nil {
			return nil, nil, err
		}
		models = append(models, m)
	}
	g, err := localize.NewGroup(p.engine, models, localize.LoadOptions{})
	if err != nil {
		return nil, nil, err
	}
	return g, func() { g.Close(); file.Close() }, nil
}

// pictures compares the time per picture in runs over batches.
func (p *published) pictures(batch, repeats int) error {
	g, done, err := p.open(1)
	if err != nil {
		return err
	}
	defer done()
	pictures := slices.Repeat([]*picture.Picture{picture.New(render(224, 224))}, batch)
	var ours, others []float64
	for i := range repeats + 1 {
		began := time.Now()
		if _, err := g.Run(context.Background(), pictures); err != nil {
			return err
		}
		took := time.Since(began).Seconds()
		var answer struct{ Seconds float64 }
		if p.twin.Torch != "" {
			if err := p.twin.Ask(map[string]any{"do": "time", "name": "vit", "batch": batch}, &answer); err != nil {
				return err
			}
		}
		if i == 0 { // warms both sides up
			continue
		}
		ours = append(ours, took/float64(batch))
		if answer.Seconds > 0 {
			others = append(others, answer.Seconds/float64(batch))
		}
	}
	what := "one picture"
	if batch > 1 {
		what = fmt.Sprintf("batch of %d, per picture", batch)
	}
	row(what, ours, others, fmt.Sprintf("PyTorch %s, aim: %gx", p.twin.Torch, aimRatio))
	return nil
}

// sharing compares four decoders on one backbone with the sum of the parts.
func (p *published) sharing() error {
	four, done, err := p.open(4)
	if err != nil {
		return err
	}
	defer done()
	one, doneOne, err := p.open(1)
	if err != nil {
		return err
	}
	defer doneOne()
	var all, single, backbone []float64
	rgb := render(224, 224)
	pictures := []*picture.Picture{picture.New(rgb)}
	pass := one.Pass(0)
	for i := range 8 {
		var times [3]float64
		for k, do := range []func() error{
			func() error { _, err := four.Run(context.Background(), pictures); return err },
			func() error { _, err := one.Run(context.Background(), pictures); return err },
			func() error { _, err := pass.Run(context.Background(), []*picture.RGB{rgb}); return err },
		} {
			began := time.Now()
			if err := do(); err != nil {
				return err
			}
			times[k] = time.Since(began).Seconds()
		}
		if i > 0 {
			all, single, backbone = append(all, times[0]), append(single, times[1]), append(backbone, times[2])
		}
	}
	b := median(backbone)
	parts := b + 4*(median(single)-b)
	fmt.Printf("%-44s %7.1f ms %7.1f ms %+6.1f %%  its parts, aim: at most +%g %%\n", "four decoders on one backbone",
		1e3*median(all), 1e3*parts, 100*(median(all)/parts-1), aimSharing)
	return nil
}
