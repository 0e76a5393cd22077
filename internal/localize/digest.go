package localize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/declip/declip/internal/nn/weights"
)

// ResultVersion is raised when the bits of results change for the same model and picture.
const ResultVersion = 1

// Digest identifies what models give for a picture: a SHA-256 in hexadecimal digits over the
// contents of their files, backbones included, what was detected in them, stated next to them (by
// adapter_config.json) or overridden by o.Arch, Layer, Decoder, Input, Tiling and Thorough, and
// ResultVersion. Names of files, the device and the threshold do not count. It reads all weights,
// but opens no engine.
func Digest(ctx context.Context, names []string, o Options) (string, error) {
	tiling, err := o.Tiling.complete()
	if err != nil {
		return "", err
	}
	m := &Model{names: slices.Clone(names)}
	defer m.closeFiles()
	networks, _, err := m.findNetworks(o)
	if err != nil {
		return "", err
	}
	whole := sha256.New()
	fmt.Fprintf(whole, "results %d\ntiles %+v\n", ResultVersion, tiling)
	if o.Thorough {
		fmt.Fprintf(whole, "turns %+v\n", turns)
	}
	for _, n := range networks {
		spec, err := json.Marshal(n.Spec())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(whole, "network %s\n", spec)
		for _, u := range n.Uses() {
			fmt.Fprintf(whole, "backbone %s\n", u.Backbone.Traits())
		}
	}
	for _, f := range m.files {
		if err := hashFile(ctx, whole, f); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(whole.Sum(nil)), nil
}

// hashFile adds the metadata and the tensors of a file.
func hashFile(ctx context.Context, to io.Writer, f *weights.File) error {
	fmt.Fprintf(to, "file %s\n", f.Format())
	for _, key := range slices.Sorted(maps.Keys(f.Metadata())) {
		fmt.Fprintf(to, "metadata %q %q\n", key, f.Metadata()[key])
	}
	for _, t := range f.Tensors() {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		fmt.Fprintf(to, "tensor %q %s %v\n", t.Name, t.DType, t.Shape)
		section, err := f.Section(t.Name)
		if err == nil {
			_, err = io.Copy(to, section)
		}
		if err != nil {
			return fmt.Errorf("%s: tensor %q: %w", f.Path(), t.Name, err)
		}
	}
	return nil
}
