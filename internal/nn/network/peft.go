package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
)

// adapterConfig is the file with the settings of adapters that Hugging Face's PEFT writes next to
// their tensors.
const adapterConfig = "adapter_config.json"

// peftSettings are the settings that change what adapters compute.
type peftSettings struct {
	Type         string             `json:"peft_type"`
	Alpha        float64            `json:"lora_alpha"`
	RootScaled   bool               `json:"use_rslora"`
	Decomposed   bool               `json:"use_dora"`
	Transposed   bool               `json:"fan_in_fan_out"`
	Bias         string             `json:"bias"`
	Alphas       map[string]float64 `json:"alpha_pattern"`
	SavedModules []string           `json:"modules_to_save"`
}

// check returns an error for settings that are not supported.
func (s peftSettings) check() error {
	switch {
	case s.Type != "LORA":
		return fmt.Errorf("adapters of type %q: expected LORA", s.Type)
	case !(s.Alpha > 0):
		return fmt.Errorf("lora_alpha %g: expected a positive number", s.Alpha)
	case s.Decomposed:
		return errors.New("use_dora is set: adapters of DoRA are not supported")
	case s.Transposed:
		return errors.New("fan_in_fan_out is set: it is for layers that DINO does not have")
	case s.Bias != "" && s.Bias != "none":
		return fmt.Errorf("bias %q: trained biases are not supported", s.Bias)
	case len(s.Alphas) > 0:
		return errors.New("alpha_pattern is set: one alpha for all layers is supported")
	case len(s.SavedModules) > 0:
		return fmt.Errorf("modules_to_save %q: whole modules next to adapters are not supported", s.SavedModules)
	}
	return nil
}

// isAdapters says whether a file holds adapters alone.
func isAdapters(f *weights.File) bool {
	for _, t := range f.Tensors() {
		if !strings.Contains(t.Name, ".lora_") {
			return false
		}
	}
	return len(f.Tensors()) > 0
}

// adapterNamings are the namings of adapters' modules, by what begins the name of a block.
var adapterNamings = []struct {
	block  string
	naming naming
}{{"encoder.layer.", hfDINO2}, {"blocks.", plainDINO}, {"layer.", hfDINO3}}

// openAdapters reads the settings and the naming of a file of adapters.
func openAdapters(f *weights.File) (*adapters, error) {
	path := filepath.Join(filepath.Dir(f.Path()), adapterConfig)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s holds adapters, and %s, which states their factor, is not next to it", f.Path(), adapterConfig)
	}
	if err != nil {
		return nil, err
	}
	var s peftSettings
	err = json.Unmarshal(text, &s)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, t := range f.Tensors() {
		for _, n := range adapterNamings {
			if i := strings.Index(t.Name, n.block); i == 0 || i > 0 && t.Name[i-1] == '.' {
				l := &layout{file: f, prefix: t.Name[:i], naming: withAdapters(n.naming)}
				return &adapters{layout: l, alpha: s.Alpha, root: s.RootScaled}, nil
			}
		}
	}
	return nil, fmt.Errorf("%s: its adapters belong to no layer of DINOv2 or DINOv3", f.Path())
}

// attach returns the backbone with the adapters. Every tensor of these must belong to one of its
// layers.
func (a *adapters) attach(b *Backbone) (*Backbone, error) {
	d, ok := b.tower.(dino)
	path := a.layout.file.Path()
	if !ok {
		return nil, fmt.Errorf("%w: the adapters of %s are for DINOv2 or DINOv3, not for %s", ErrSpec, path, b.Arch())
	}
	if b.layout.adapters != nil {
		return nil, fmt.Errorf("%s: %s has adapters already", path, b.Path())
	}
	used := map[string]bool{}
	for i := range d.blocks {
		for _, layer := range d.linears() {
			for _, side := range []string{loraA, loraB} {
				if t, _, ok := a.layout.find(fmt.Sprintf("blocks.%d.%s%s.weight", i, layer, side)); ok {
					used[t.Name] = true
				}
			}
		}
	}
	for _, t := range a.layout.file.Tensors() {
		if !used[t.Name] {
			return nil, fmt.Errorf("%s: tensor %q belongs to no layer of %s", path, t.Name, b.Arch())
		}
	}
	adapted := *b
	adapted.layout.adapters = a
	return &adapted, nil
}

// attachTo attaches the adapters in some files to the one backbone of DINO among the given ones.
func attachTo(pool []*Backbone, files []*weights.File) error {
	for _, f := range files {
		a, err := openAdapters(f)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(pool, func(b *Backbone) bool { return b.AnySize() })
		if at < 0 || slices.ContainsFunc(pool[at+1:], func(b *Backbone) bool { return b.AnySize() }) {
			return fmt.Errorf("%w: %s holds adapters: expected one backbone of DINOv2 or DINOv3 that they belong to", ErrSpec, f.Path())
		}
		if pool[at], err = a.attach(pool[at]); err != nil {
			return err
		}
	}
	return nil
}

// splitAdapters separates files of adapters from the others.
func splitAdapters(files []*weights.File) (adapters, others []*weights.File) {
	for _, f := range files {
		if isAdapters(f) {
			adapters = append(adapters, f)
		} else {
			others = append(others, f)
		}
	}
	return adapters, others
}
