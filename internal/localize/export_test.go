package localize

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/models/convert"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// exportedCase is a model, the size of its file's pictures (0: any), and the least difference of
// finished maps.
type exportedCase struct {
	model         *network.Pretrained
	width, height int
	least         float64
}

func exportedCases(t *testing.T) map[string]exportedCase {
	t.Helper()
	open := func(tensors []weights.Tensor, metadata map[string]string, o network.Override) *network.Pretrained {
		m, err := network.OpenPretrained(networktest.Store(t, tensors, metadata), o)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	lite, err := network.New(network.Spec{
		Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 256, Overlap: 64},
		LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}, DCT: 4}, Detectors: []string{"copies", "double-jpeg"}, Blobs: true,
	}, 3)
	if err != nil {
		t.Fatal(err)
	}
	tensors := tensorsOf(lite)
	rules := func(name string) []networktest.Rule {
		return networktest.ReadGolden(t, filepath.Join("..", "nn", "network", "testdata", name+".json")).Rules
	}
	vit := append(networktest.ViT("model.model.visual.", 64, 8, 3, 4), networktest.Conv("model.", 64, networktest.AllStages(4, [4]int{8, 8, 4, 4}))...)
	judged, err := network.New(lite.Spec(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := judged.SetJudge(&network.Judge{Features: []string{"jpeg"}, Weights: []float64{1}}); err != nil {
		t.Fatal(err)
	}
	tiles := open(tensors, map[string]string{network.SpecKey: lite.SpecJSON()}, network.Override{})
	return map[string]exportedCase{
		"tiles":           {tiles, 0, 0, 0.1},
		"tiles, judged":   {open(tensors, map[string]string{network.SpecKey: judged.SpecJSON()}, network.Override{}), 0, 0, 0.1},
		"tiles, one size": {tiles, 240, 200, 0},
		"resize":          {open(networktest.Tensors(vit), networktest.Published("layer1", "conv-4"), network.Override{}), 0, 0, 0},
		"cat-net":         {open(networktest.Tensors(networktest.SmallCATNet.Rules(true)), nil, network.Override{}), 0, 0, 0},
		"cat-net-dct":     {open(networktest.Tensors(networktest.SmallCATNet.Rules(false)), nil, network.Override{}), 0, 0, 0},
		"pscc-net":        {open(networktest.Tensors(rules("pscc")), nil, network.Override{Input: 64}), 0, 0, 0},
		"trufor":          {open(networktest.Tensors(rules("trufor")), nil, network.Override{}), 96, 64, 0},
	}
}

// An exported file, run as it says, gives the network's own map; the finished map differs where
// detectors and rules come after the network.
func TestCompareExport(t *testing.T) {
	e := enginetest.Open(t)
	for name, c := range exportedCases(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out.onnx")
			if _, err := convert.ONNX(t.Context(), path, c.model, e, convert.ONNXOptions{Height: c.height, Width: c.width}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			width, height := 400, 315
			if c.width > 0 {
				width, height = c.width, c.height
			}
			pictures, err := ExportPictures(width, height)
			if err != nil {
				t.Fatal(err)
			}
			d, err := CompareExport(t.Context(), e, c.model, data, pictures)
			if err != nil {
				t.Fatal(err)
			}
			if most := max(d.Network, d.Confidence, d.Score); most > 2e-5 || d.Pictures != 2 {
				t.Errorf("differences %+v", d)
			}
			if d.Map < c.least {
				t.Errorf("the finished maps differ by %g only: no detector found anything", d.Map)
			}
			if c.width == 0 {
				return
			}
			other, err := ExportPictures(width+8, height)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := CompareExport(t.Context(), e, c.model, data, other); err == nil || !strings.Contains(err.Error(), "expected") {
				t.Errorf("a picture of another size: error %v", err)
			}
		})
	}
}

// A comparison notices values that differ or are missing.
func TestExportDifference(t *testing.T) {
	score := 0.5
	want := Output{Prob: []float32{0, 1}, Confidence: []float32{1, 1}, Score: &score}
	var d ExportDifference
	lower := 0.25
	if err := d.add(want, Output{Prob: []float32{0.5, 1}, Confidence: []float32{1, 0}, Score: &lower}, []float32{0.25, 1}); err != nil {
		t.Fatal(err)
	}
	if d != (ExportDifference{Pictures: 1, Network: 0.25, Map: 0.5, Confidence: 1, Score: 0.25}) {
		t.Errorf("differences %+v", d)
	}
	for what, got := range map[string]Output{
		"no score":      {Prob: want.Prob, Confidence: want.Confidence},
		"no confidence": {Prob: want.Prob, Score: &score},
		"a short map":   {Prob: want.Prob[:1], Confidence: want.Confidence, Score: &score},
	} {
		if err := d.add(want, got, want.Prob); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
