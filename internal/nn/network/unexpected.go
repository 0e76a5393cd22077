package network

import (
	"fmt"
	"slices"
	"strings"
)

// harmless lists the last parts of the names of tensors that do not change what a network
// computes.
var harmless = []string{"num_batches_tracked", "position_ids", "attn_mask", "mask_token", "bias_mask", "periods"}

// checkUnexpected returns an error if a file has tensors among the network's that were not
// requested while building: scales of layers, adapters, biases, more layers. The file then holds a
// different network, whose results would be wrong. Tensors outside the network, such as a text
// tower, and those after its last layer do not matter.
func (b *builder) checkUnexpected() error {
	used := map[*part]map[string]bool{}
	var parts []*part
	for _, d := range b.declared {
		if used[d.part] == nil {
			used[d.part] = map[string]bool{}
			parts = append(parts, d.part)
		}
		t, _, _ := d.part.find(d.name)
		used[d.part][t.Name] = true
	}
	for _, p := range parts {
		if err := p.checkUnexpected(used[p]); err != nil {
			return err
		}
	}
	return nil
}

// checkUnexpected is builder.checkUnexpected for a part, of which the tensors with the given names
// are used.
func (l *layout) checkUnexpected(names map[string]bool) error {
	modules := map[string]bool{} // those of the used tensors, and those around them
	for name := range names {
		inner := parent(name)
		for _, module := range []string{inner, parent(inner)} {
			if len(module) > len(l.prefix) && module != l.prefix+"blocks" { // the list of DINO's blocks
				modules[module] = true
			}
		}
	}
	for _, t := range l.file.Tensors() {
		_, numbers := floatTypes[t.DType]
		if names[t.Name] || l.known[t.Name] || !numbers || slices.Contains(harmless, t.Name[strings.LastIndex(t.Name, ".")+1:]) {
			continue
		}
		for module := parent(t.Name); module != ""; module = parent(module) {
			if modules[module] {
				return fmt.Errorf("%s: unexpected tensor %q: the network differs from those that declip knows, and its results would be wrong", l.file.Path(), t.Name)
			}
		}
	}
	return nil
}

// parent is the name of a tensor or module without its last part.
func parent(name string) string { return name[:max(strings.LastIndex(name, "."), 0)] }
