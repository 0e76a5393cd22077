package convert

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

var plan = networktest.AllStages(4, [4]int{8, 8, 4, 4})

// transformer is a model in the published layout, including tensors that inference does not need.
func transformer(t *testing.T, gain float64) (*network.Pretrained, *weights.File) {
	t.Helper()
	rules := slices.Concat(networktest.ViT("model.model.visual.", 64, 8, 3, 3), networktest.Conv("model.", 64, plan),
		networktest.Layer("model.model.text_projection", 1, 64, 64), networktest.Layer("optimizer.state.0.exp_avg", 1, 8, 8))
	for i := range rules {
		if rules[i].Name == "model.fc.16.weight" { // the last
			rules[i].Scale *= gain
		}
	}
	metadata := networktest.Published("layer1", "conv-4")
	metadata["total_steps"], metadata["optimizer.param_groups.0.lr"] = "7", "0.001"
	return opened(t, networktest.Store(t, networktest.Tensors(rules), metadata))
}

func opened(t *testing.T, f *weights.File, extra ...*weights.File) (*network.Pretrained, *weights.File) {
	t.Helper()
	m, err := network.OpenPretrained(f, network.Override{}, extra...)
	if err != nil {
		t.Fatal(err)
	}
	return m, f
}

// fusion is a decoder and the two files that it needs.
func fusion(t *testing.T) (*network.Pretrained, *weights.File) { return fusionOf(t, 4) }

// mixed is a fusion of backbones that take pictures of different sizes.
func mixed(t *testing.T) (*network.Pretrained, *weights.File) { return fusionOf(t, 3) }

// fusionOf is a fusion whose transformer has side patches in a row.
func fusionOf(t *testing.T, grid int) (*network.Pretrained, *weights.File) {
	t.Helper()
	p := plan
	p.Resize = true
	vision := networktest.Store(t, networktest.Tensors(networktest.ViT("visual.", 64, 8, 2, grid)), nil)
	residual := networktest.Store(t, networktest.Tensors(networktest.ResNet("visual.", 16, [4]int{1, 1, 1, 1}, 1)), nil)
	f := networktest.Store(t, networktest.Tensors(networktest.Conv("model.", 64+256, p)), networktest.Published("layer0", "conv-4"))
	return opened(t, f, vision, residual)
}

// lite is a small network that works on tiles.
func lite(t *testing.T) (*network.Pretrained, *weights.File) {
	t.Helper()
	net, err := network.New(network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 128, Overlap: 32}, LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	var list []weights.Tensor
	for _, p := range net.Params() {
		list = append(list, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	return opened(t, networktest.Store(t, list, map[string]string{network.SpecKey: net.SpecJSON(), "declip.train.data": "abc"}))
}

func logits(t *testing.T, e *engine.Engine, m *network.Pretrained) []float32 {
	t.Helper()
	got, err := original(context.Background(), e, m)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSafetensors(t *testing.T) {
	e := enginetest.Open(t)
	for name, make := range map[string]func(*testing.T) (*network.Pretrained, *weights.File){
		"transformer": func(t *testing.T) (*network.Pretrained, *weights.File) { return transformer(t, 1) },
		"fusion":      fusion,
		"mixed":       mixed,
		"lite":        lite,
	} {
		t.Run(name, func(t *testing.T) {
			m, f := make(t)
			path := filepath.Join(t.TempDir(), "out.safetensors")
			r, err := Safetensors(t.Context(), path, Source{File: f, Model: m}, SafetensorsOptions{})
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || r.Size != info.Size() || r.Compared {
				t.Errorf("report %+v for a file of %v, %v", r, info, err)
			}
			out, err := weights.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			if r.Tensors != len(out.Names()) {
				t.Errorf("%d tensors, reported are %d", len(out.Names()), r.Tensors)
			}
			again, _ := opened(t, out)
			if !slices.Equal(logits(t, e, again), logits(t, e, m)) {
				t.Error("the logits differ")
			}
			// Converting again changes nothing but the record of the source files.
			second := filepath.Join(t.TempDir(), "second.safetensors")
			if _, err := Safetensors(t.Context(), second, Source{File: out, Model: again}, SafetensorsOptions{}); err != nil {
				t.Fatal(err)
			}
			twice, err := weights.Open(second)
			if err != nil {
				t.Fatal(err)
			}
			defer twice.Close()
			if !slices.Equal(twice.Names(), out.Names()) {
				t.Errorf("the second time there are %q, expected %q", twice.Names(), out.Names())
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	m, f := transformer(t, 1)
	path := filepath.Join(t.TempDir(), "out.safetensors")
	if _, err := Safetensors(t.Context(), path, Source{File: f, Model: m}, SafetensorsOptions{}); err != nil {
		t.Fatal(err)
	}
	out, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	want := map[string]string{"feature_layer": "layer1", "decoder_type": "conv-4", "total_steps": "7", MetadataKey: `{"from":["weights.safetensors"]}`}
	got := out.Metadata()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("metadata %s is %q, expected %q", key, got[key], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("metadata %v, expected %v", got, want)
	}
	for _, name := range out.Names() {
		if strings.Contains(name, "resblocks.2.") || strings.Contains(name, "text") || strings.Contains(name, "optimizer") {
			t.Errorf("tensor %s is kept", name)
		}
	}
}

func TestHalves(t *testing.T) {
	e := enginetest.Open(t)
	m, f := transformer(t, 1)
	path := filepath.Join(t.TempDir(), "out.safetensors")
	r, err := Safetensors(t.Context(), path, Source{File: f, Model: m}, SafetensorsOptions{Halves: true, Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	out, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for _, tensor := range out.Tensors() {
		want := weights.Float16
		if len(tensor.Shape) < 2 {
			want = weights.Float32
		}
		if tensor.DType != want {
			t.Errorf("%s %v is stored as %s, expected %s", tensor.Name, tensor.Shape, tensor.DType, want)
		}
	}
	again, _ := opened(t, out)
	got, err := difference(logits(t, e, m), logits(t, e, again))
	if err != nil || !r.Compared || got != r.Difference || got == 0 {
		t.Errorf("the difference is %g (%v), reported is %+v", got, err, r)
	}
}

// A fusion of backbones with different picture sizes is compared in parts; it has no single
// program.
func TestMixedSizes(t *testing.T) {
	e := enginetest.Open(t)
	m, f := mixed(t)
	path := filepath.Join(t.TempDir(), "out")
	r, err := Safetensors(t.Context(), path, Source{File: f, Model: m}, SafetensorsOptions{Halves: true, Engine: e})
	if err != nil || !r.Compared || r.Difference == 0 || r.Difference > 0.01 {
		t.Errorf("got %+v, %v", r, err)
	}
	_, err = ONNX(t.Context(), path+".onnx", m, e, ONNXOptions{})
	if want := "takes pictures of 24 x 24 pixels, RN-16x1.1.1.1@32px of 32 x 32: they can't be joined in one program"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, expected %s", err, want)
	}
}

// A file that would not contain the same network is not written.
func TestRefuses(t *testing.T) {
	e := enginetest.Open(t)
	// Logits are so large that the last bits of a weight change their sign.
	m, f := transformer(t, 5000)
	path := filepath.Join(t.TempDir(), "out.safetensors")
	_, err := Safetensors(t.Context(), path, Source{File: f, Model: m}, SafetensorsOptions{Halves: true, Engine: e})
	if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "in float16 probabilities differ by") {
		t.Errorf("error %v, expected ErrDiffers", err)
	}
	// A weight beyond the range of float16.
	m, f = transformer(t, 1e7)
	_, err = Safetensors(t.Context(), path, Source{File: f, Model: m}, SafetensorsOptions{Halves: true})
	if err == nil || !strings.Contains(err.Error(), "model.fc.16.weight") {
		t.Errorf("error %v, expected one that names the tensor", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Safetensors(ctx, path, Source{File: f, Model: m}, SafetensorsOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected that it was cancelled", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 0 {
		t.Errorf("%d files are left, expected none", len(entries))
	}
}

func TestBackbone(t *testing.T) {
	rules := append(networktest.ResNet("visual.", 16, [4]int{2, 1, 1, 1}, 2), networktest.Layer("text_projection", 1, 64, 64)...)
	f := networktest.Store(t, networktest.Tensors(rules), nil)
	c, err := network.Recognise(f)
	if err != nil {
		t.Fatal(err)
	}
	for layer, last := range map[string]string{"": "layer4", "layer2": "layer2"} {
		path := filepath.Join(t.TempDir(), "out.safetensors")
		if _, err := Safetensors(t.Context(), path, Source{File: f, Backbones: c.Backbones, Layer: layer}, SafetensorsOptions{}); err != nil {
			t.Fatal(err)
		}
		out, err := weights.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		got, err := network.Recognise(out)
		if err != nil {
			t.Fatal(err)
		}
		b := got.Backbones[0]
		if layers := b.Layers(); layers[len(layers)-1] != last || b.Side() != 64 || got.HasDecoder {
			t.Errorf("cut at %q it is %s for %d pixels, layers %q", layer, b.Arch(), b.Side(), layers)
		}
	}
	path := filepath.Join(t.TempDir(), "out.safetensors")
	_, err = Safetensors(t.Context(), path, Source{File: f, Backbones: c.Backbones, Layer: "layer9"}, SafetensorsOptions{})
	if err == nil || !strings.Contains(err.Error(), "layer9") {
		t.Errorf("error %v, expected one about the layer", err)
	}
}

func TestONNX(t *testing.T) {
	e := enginetest.Open(t)
	halves := func(t *testing.T) (*network.Pretrained, *weights.File) {
		m, f := transformer(t, 1)
		path := filepath.Join(t.TempDir(), "halves.safetensors")
		if _, err := Safetensors(t.Context(), path, Source{File: f, Model: m}, SafetensorsOptions{Halves: true}); err != nil {
			t.Fatal(err)
		}
		out, err := weights.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.Close() })
		return opened(t, out)
	}
	for name, c := range map[string]struct {
		make   func(*testing.T) (*network.Pretrained, *weights.File)
		in, h  int
		height int // of the options
	}{
		"transformer": {func(t *testing.T) (*network.Pretrained, *weights.File) { return transformer(t, 1) }, 24, 256, 0},
		"halves":      {halves, 24, 256, 0},
		"fusion":      {fusion, 32, 256, 0},
		"lite":        {lite, -1, -1, 0},
		"fixed lite":  {lite, 64, 16, 64},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := c.make(t)
			path := filepath.Join(t.TempDir(), "out.onnx")
			checked := false
			r, err := ONNX(t.Context(), path, m, e, ONNXOptions{Height: c.height, Width: c.height, Check: func(_ context.Context, temporary string) error {
				_, err := os.Stat(temporary)
				checked = temporary != path
				return err
			}})
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if r.Compared != (c.height == 0) || !checked || r.Size != int64(len(data)) || r.Difference > maxExported {
				t.Errorf("report %+v for a file of %d bytes", r, len(data))
			}
			if !bytes.Contains(data, []byte("RGB in [0, 1], not normalised")) || !bytes.Contains(data, []byte(r.Outputs[1].Text)) {
				t.Error("the file does not say what it takes and gives")
			}
			// The file is complete: there is no directory with weights.
			session, err := e.Load(data, engine.SessionOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			expectPorts(t, session.Inputs(), []string{"image"}, []int{-1, 3, c.in, c.in})
			expectPorts(t, session.Outputs(), []string{"logits", "probabilities"}, []int{-1, 1, c.h, c.h})
		})
	}
}

func expectPorts(t *testing.T, ports []engine.Port, names []string, shape []int) {
	t.Helper()
	for i, p := range ports {
		if i >= len(names) || p.Name != names[i] || !slices.Equal(p.Shape, shape) || p.DType != engine.Float32 {
			t.Errorf("port %s %v, expected %q %v of float32", p.Name, p, names, shape)
		}
	}
	if len(ports) != len(names) {
		t.Errorf("%d ports, expected %q", len(ports), names)
	}
}

// A file with other results is refused.
func TestCheckONNX(t *testing.T) {
	e := enginetest.Open(t)
	m, _ := transformer(t, 1)
	other, _ := transformer(t, 2)
	path := filepath.Join(t.TempDir(), "out.onnx")
	if _, err := ONNX(t.Context(), path, m, e, ONNXOptions{}); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	_, err := ONNX(t.Context(), path+"2", m, e, ONNXOptions{Check: func(context.Context, string) error { return refused }})
	if _, missing := os.Stat(path + "2"); !errors.Is(err, refused) || missing == nil {
		t.Errorf("a file that was refused: error %v, %v", err, missing)
	}
	var r Report
	if err := checkONNX(t.Context(), path, other, e, &r); !errors.Is(err, ErrDiffers) {
		t.Errorf("another model's file: error %v, expected ErrDiffers", err)
	}
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	if err := checkONNX(t.Context(), path, m, e, &r); err == nil {
		t.Error("no error for a file that was cut")
	}
}

func TestDifference(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	if got, err := difference([]float32{0, 100, -inf}, []float32{0, 101, -inf}); err != nil || got != 0 {
		t.Errorf("difference %g, %v; expected none", got, err)
	}
	if got, err := difference([]float32{0, 0}, []float32{0, -inf}); err != nil || got != 0.5 {
		t.Errorf("difference %g, %v; expected 0.5", got, err)
	}
	for _, b := range [][]float32{{nan, 0}, {0}, {0, 0, 0}} {
		if got, err := difference([]float32{0, 0}, b); !errors.Is(err, ErrDiffers) {
			t.Errorf("%v: difference %g, error %v; expected ErrDiffers", b, got, err)
		}
	}
}

// The pictures that networks are compared on are in range and not uniform.
func TestProbes(t *testing.T) {
	values := probes(64)
	mean, square := 0.0, 0.0
	for _, v := range values {
		if v < 0 || v > 1 {
			t.Fatalf("a value is %g", v)
		}
		mean += float64(v) / float64(len(values))
		square += float64(v) * float64(v) / float64(len(values))
	}
	if spread := math.Sqrt(square - mean*mean); mean < 0.3 || mean > 0.7 || spread < 0.1 {
		t.Errorf("mean %.2f, spread %.2f: expected a picture in the middle of the range", mean, spread)
	}
	if slices.Equal(values[:len(values)/2], values[len(values)/2:]) {
		t.Error("both pictures are the same")
	}
}
