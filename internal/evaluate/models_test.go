package evaluate

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

// writeModel writes a small network of random weights.
func writeModel(t *testing.T, name string, seed uint64) string {
	t.Helper()
	net, err := network.New(network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 64, Overlap: 16}, LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}}}, seed)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []weights.Tensor
	for _, p := range net.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	path := filepath.Join(t.TempDir(), name)
	if err := weights.Write(path, tensors, map[string]string{network.SpecKey: net.SpecJSON()}); err != nil {
		t.Fatal(err)
	}
	return path
}

func noisy(w, h int) dataset.Sample {
	p := picture.NewRGB(w, h)
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	for i := range p.Pix {
		p.Pix[i] = uint8(r.IntN(256))
	}
	return dataset.Sample{Picture: picture.New(p)}
}

// CAT-Net sees a picture that was perturbed by JPEG as that JPEG file, with the file's
// coefficients.
func TestCATNetSeesThePerturbedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cat.safetensors")
	if err := weights.Write(path, networktest.Tensors(networktest.SmallCATNet.Rules(true)), nil); err != nil {
		t.Fatal(err)
	}
	m, err := localize.Open(path, localize.Options{Library: enginetest.Library(t), Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	own := noisy(72, 40)
	own.Mask = picture.NewGray(72, 40)
	source := dataset.Generated{Count: 1, ID: "noisy", Make: func(context.Context, int) (dataset.Sample, error) { return own, nil }}
	var got [][]float32
	evaluated(t, source, Models(m), Options{
		Perturb: []Perturbation{{PerturbJPEG, 60}},
		Visit:   func(v Visit) { got = append(got, slices.Clone(v.Prob)) },
	})
	file, err := picture.EncodeJPEG(own.Picture.RGB, 60)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := picture.Decode(file, picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Localize(t.Context(), saved)
	if err != nil {
		t.Fatal(err)
	}
	pixels, err := m.Localize(t.Context(), picture.New(saved.RGB)) // stored at quality 100
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !slices.Equal(got[1], want.Prob) {
		t.Error("the map is not that of the JPEG file")
	}
	if slices.Equal(want.Prob, pixels.Prob) {
		t.Error("the network does not look at the coefficients: the test proves nothing")
	}
}

// Each model answers as it does alone, and the mean comes last.
func TestModels(t *testing.T) {
	a, b := writeModel(t, "a.safetensors", 1), writeModel(t, "b.safetensors", 2)
	open := func(each bool, names ...string) *localize.Model {
		m, err := localize.OpenSeveral(names, localize.Options{Library: enginetest.Library(t), Device: "cpu", Each: each})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	samples := []dataset.Sample{noisy(70, 50), noisy(40, 64)}
	both := Models(open(true, a, b), a, b)
	if want := []string{a, b, a + " + " + b}; !reflect.DeepEqual(both.Models(), want) {
		t.Errorf("models %v, expected %v", both.Models(), want)
	}
	all, err := both.Predict(context.Background(), samples)
	if err != nil {
		t.Fatal(err)
	}
	for k, name := range []string{a, b} {
		alone, err := Models(open(false, name), name).Predict(context.Background(), samples)
		if err != nil {
			t.Fatal(err)
		}
		for i := range samples {
			if len(all[i]) != 3 || len(alone[i]) != 1 || !reflect.DeepEqual(all[i][k], alone[i][0]) {
				t.Errorf("picture %d: %s answers otherwise in company", i, name)
			}
		}
	}
	mean, first, second := all[0][2].Map.Prob, all[0][0].Map.Prob, all[0][1].Map.Prob
	for i, v := range mean {
		if v != (first[i]+second[i])/2 {
			t.Fatalf("pixel %d: mean %v of %v and %v", i, v, first[i], second[i])
		}
	}
	if _, err := Models(open(false, a, b), a, b).Predict(context.Background(), samples); err == nil || !strings.Contains(err.Error(), "without Options.Each") {
		t.Errorf("models opened without Each: %v", err)
	}
}
