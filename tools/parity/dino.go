package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/tools/twin"
)

// mostFeature is the largest allowed difference of features, as a share of the largest.
const mostFeature = 1e-3

// dinoFile is a backbone of DINOv2 or DINOv3 in one of the three namings.
type dinoFile struct{ name, naming, dtype string }

// dinoFiles lists what is compared: the small networks in all namings, larger ones in one each. The
// largest, DINOv2 g and DINOv3 H+, differ from these in their sizes only and take 4 GB; name one
// with -dino NAME.
var dinoFiles = []dinoFile{
	{"dinov2-vits14", "meta", "fp32"}, {"dinov2-vits14", "huggingface", "fp32"}, {"dinov2-vits14", "timm", "fp32"},
	{"dinov2-vits14-reg", "meta", "fp32"}, {"dinov2-vits14-reg", "huggingface", "fp16"}, {"dinov2-vits14-reg", "timm", "fp32"},
	{"dinov3-vits16", "meta", "fp32"}, {"dinov3-vits16", "huggingface", "bf16"}, {"dinov3-vits16", "timm", "fp32"},
	{"dinov3-vits16plus", "meta", "fp32"}, {"dinov3-vits16plus", "huggingface", "fp32"}, {"dinov3-vits16plus", "timm", "fp16"},
	{"dinov2-vitb14", "timm", "fp32"}, {"dinov2-vitb14-reg", "huggingface", "fp32"}, {"dinov2-vitl14-reg", "meta", "fp32"},
	{"dinov3-vitb16", "huggingface", "fp32"}, {"dinov3-vitl16", "timm", "fp32"},
}

// dinoSizes are the heights and widths of the pictures by the side of a patch.
var dinoSizes = map[string][][2]int{"14": {{518, 518}, {224, 392}}, "16": {{512, 512}, {224, 400}}}

// dinoIML lists the checkpoints of DINOv3-IML: the backbone and the rank of its adapters, 0 for
// none.
var dinoIML = []struct {
	name string
	rank int
}{{"dinov3-vits16", 32}, {"dinov3-vits16", 0}, {"dinov3-vitl16", 32}}

// dino compares DINO's features, and DINOv3-IML's maps at the picture's size.
func (p *parity) dino(python, program string, threads int, also string) error {
	other, err := twin.Start(python, program, threads)
	if err != nil {
		return err
	}
	defer other.Stop()
	files := dinoFiles
	if also != "" {
		for _, naming := range []string{"meta", "huggingface", "timm"} {
			files = append(files, dinoFile{also, naming, "fp32"})
		}
	}
	fmt.Printf("\n%-60s %12s %12s\n", "features, largest difference", "of largest", "largest")
	for _, f := range files {
		if !strings.Contains(f.name+" "+f.naming, p.only) {
			continue
		}
		if err := p.dinoFile(other, f); err != nil {
			return fmt.Errorf("%s, %s: %w", f.name, f.naming, err)
		}
	}
	for _, c := range dinoIML {
		line := fmt.Sprintf("dinov3-iml on %s, rank %d", c.name, c.rank)
		if !strings.Contains(line, p.only) {
			continue
		}
		if err := p.imlMaps(other, line, c.name, c.rank); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return nil
}

func (p *parity) dinoFile(other *twin.Twin, f dinoFile) error {
	dir, err := os.MkdirTemp(p.work, "dino")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var made struct{ Files []string }
	if err := other.Ask(map[string]any{"do": "make", "name": f.name, "naming": f.naming, "dtype": f.dtype, "folder": dir}, &made); err != nil {
		return err
	}
	file, err := weights.Open(made.Files[0])
	if err != nil {
		return err
	}
	defer file.Close()
	list, err := network.BackbonesIn([]*weights.File{file})
	if err != nil {
		return err
	}
	b := list[0]
	if b.Arch() != f.name {
		return fmt.Errorf("recognised as %s", b.Arch())
	}
	last, err := b.Layer("")
	if err != nil {
		return err
	}
	patch := "16"
	if strings.HasPrefix(f.name, "dinov2") {
		patch = "14"
	}
	for _, size := range dinoSizes[patch] {
		if err := p.dinoFeatures(other, b, f, size, []string{"layer5", last}, filepath.Join(dir, "out")); err != nil {
			return err
		}
	}
	return nil
}

func (p *parity) dinoFeatures(other *twin.Twin, b *network.Backbone, f dinoFile, size [2]int, layers []string, out string) error {
	h, w := size[0], size[1]
	if err := other.Ask(map[string]any{"do": "features", "height": h, "width": w, "layers": layers, "out": out}, &struct{}{}); err != nil {
		return err
	}
	levels, err := twin.ReadFloats(out + ".levels")
	if err != nil {
		return err
	}
	for i := range levels {
		c := i / (h * w)
		levels[i] = (levels[i] - network.Mean[c]) / network.Std[c]
	}
	image, err := engine.NewTensor([]int{1, 3, h, w}, levels)
	if err != nil {
		return err
	}
	sized, err := b.At(h, w)
	if err != nil {
		return err
	}
	inputs, found := map[string]*engine.Tensor{network.PortImage: image}, map[string]*engine.Tensor{}
	chain, err := sized.Chain(network.Form{Blocked: p.engine.Blocks()}, 4, layers...)
	if err != nil {
		return err
	}
	for _, program := range chain {
		answer, err := p.run(program, false, inputs)
		if err != nil {
			return err
		}
		inputs = map[string]*engine.Tensor{network.Carried: answer[network.Carry]}
		for name, t := range answer {
			found[name] = t
		}
	}
	for _, layer := range layers {
		want, err := twin.ReadFloats(out + "." + layer)
		if err != nil {
			return err
		}
		largest, difference := 0.0, math.Inf(1)
		if got := found[layer].Float32s(); len(got) == len(want) {
			difference = 0
			for i, v := range want {
				largest = max(largest, math.Abs(float64(v)))
				difference = max(difference, math.Abs(float64(v-got[i])))
			}
		}
		line := fmt.Sprintf("%s, %s, %s, %s, %d x %d", f.name, f.naming, f.dtype, layer, h, w)
		fmt.Printf("%-60s %12.1e %12.2f  %s\n", line, difference/largest, largest, p.verdict(difference <= mostFeature*largest))
	}
	return nil
}

// imlMaps compares DINOv3-IML's probabilities at the picture's size.
func (p *parity) imlMaps(other *twin.Twin, line, name string, rank int) error {
	dir, err := os.MkdirTemp(p.work, "iml")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var made struct{ Files []string }
	if err := other.Ask(map[string]any{"do": "iml make", "name": name, "rank": rank, "folder": dir}, &made); err != nil {
		return err
	}
	for _, file := range p.pictures {
		out := filepath.Join(dir, "map")
		if err := other.Ask(map[string]any{"do": "iml", "picture": file, "out": out}, &struct{}{}); err != nil {
			return err
		}
		got, err := p.localized(made.Files[0], file)
		if err != nil {
			return err
		}
		largest, err := difference(out, got)
		if err != nil {
			return err
		}
		fmt.Printf("%-60s %12.1e %12s  %s\n", line+", "+filepath.Base(file)+", probability", largest, "", p.verdict(largest <= mostProbability))
	}
	return nil
}
