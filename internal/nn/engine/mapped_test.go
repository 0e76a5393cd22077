//go:build linux

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/graph"
)

// anonymous returns the memory of this process that is not backed by a file, in bytes.
func anonymous(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nAnonymous:")
	var kilobytes int
	if _, err := fmt.Sscanf(rest, "%d kB", &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// With LowMemory, weights stay in their file. This includes those of convolutions followed by
// norms, which would otherwise be copied when the norm is folded in and again for the processor.
func TestLowMemoryCopiesNoWeights(t *testing.T) {
	const channels, kernel = 512, 5
	const weights = 4 * channels * channels * kernel * kernel // 26 MB
	const norms = 4 * 4 * channels
	dir := t.TempDir()
	path := filepath.Join(dir, "weights.bin")
	write(t, path, "")
	if err := os.Truncate(path, weights+norms); err != nil { // zeros that take no space
		t.Fatal(err)
	}
	g := graph.New()
	inits := map[string]graph.Initializer{}
	param := func(name string, offset int64, shape ...int) *graph.Node {
		length := int64(4)
		for _, d := range shape {
			length *= int64(d)
		}
		inits[name] = graph.Initializer{DType: graph.Float32, Shape: shape, Location: "weights.bin", Offset: offset, Length: length}
		return g.Param(name, shape...)
	}
	x := g.Input("x", graph.Open, channels, 8, 8)
	y := graph.Conv(x, param("w", 0, channels, channels, kernel, kernel), nil, graph.ConvOptions{Pad: 2})
	var norm []*graph.Node
	for i, name := range []string{"scale", "bias", "mean", "variance"} {
		norm = append(norm, param(name, int64(weights+4*channels*i), channels))
	}
	y = graph.ReLU(graph.BatchNorm(y, norm[0], norm[1], norm[2], norm[3], 1e-5))
	model, err := g.Encode([]graph.Output{{Name: "y", Node: y}}, inits)
	if err != nil {
		t.Fatal(err)
	}
	open(t)
	grown := func(low bool) int {
		before := anonymous(t)
		load(t, model, SessionOptions{ExternalFolder: dir, LowMemory: low})
		return anonymous(t) - before
	}
	if got := grown(true); got > weights/4 {
		t.Errorf("low memory takes %d bytes for %d of weights, expected next to nothing", got, weights)
	}
	if got := grown(false); got < weights/2 {
		t.Errorf("the other way takes %d bytes for %d of weights: this test proves nothing", got, weights)
	}
}
