package network

import (
	"fmt"
	"slices"
	"strings"
)

// bookkeeping are the last parts of the names of tensors that stand among a network's and don't change what it computes.
var bookkeeping = []string{"num_batches_tracked", "position_ids", "attn_mask"}

// checkUnexpected refuses files with tensors of numbers among those that were asked for while building that were not asked
// for: scales of layers, adapters, biases, more layers. The network is another one then, and would give wrong answers.
// What stands beside a network, as its text tower, or behind its last layer is of no interest.
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

// checkUnexpected is builder.checkUnexpected for a part, of which the tensors with names are used.
func (l *layout) checkUnexpected(names map[string]bool) error {
	modules := map[string]bool{} // that the used tensors are in, and those around them
	for name := range names {
		inner := parent(name)
		for _, module := range []string{inner, parent(inner)} {
			if len(module) > len(l.prefix) {
				modules[module] = true
			}
		}
	}
	for _, t := range l.file.Tensors() {
		_, numbers := floatTypes[t.DType]
		if names[t.Name] || !numbers || slices.Contains(bookkeeping, t.Name[strings.LastIndex(t.Name, ".")+1:]) {
			continue
		}
		for module := parent(t.Name); module != ""; module = parent(module) {
			if modules[module] {
				return fmt.Errorf("%s: tensor %q is not known: a network with it gives other results than are computed here", l.file.Path(), t.Name)
			}
		}
	}
	return nil
}

// parent is a tensor's or module's name without its last part.
func parent(name string) string { return name[:max(strings.LastIndex(name, "."), 0)] }
