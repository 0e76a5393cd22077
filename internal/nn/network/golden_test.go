package network

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/numeric"
)

// golden holds PyTorch's results for tiny networks; see tools/golden/network.py.
type golden struct {
	Points []int                         // rows and columns of the logits that are kept
	Files  map[string][]networktest.Rule // backbones by name
	Cases  []goldenCase
}

type goldenCase struct {
	Name, Layer, Decoder string
	Files                []string           // backbones
	Own                  []networktest.Rule // the decoder's tensors
	Mean, Square         float64            // of all logits, and of their squares
	Logits               string             // [2, points, points], base64 of little-endian float32
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// published writes a case's checkpoint in the published form: backbone and decoder in one file,
// except for the fusion, whose backbones have files of their own.
func (g golden) published(t *testing.T, c goldenCase) (f *weights.File, beside []*weights.File) {
	metadata := networktest.Published(c.Layer, c.Decoder)
	if len(c.Files) == 1 {
		return networktest.Store(t, networktest.Tensors(slices.Concat(g.Files[c.Files[0]], c.Own)), metadata), nil
	}
	for _, name := range c.Files {
		beside = append(beside, networktest.Store(t, networktest.Tensors(g.Files[name]), nil))
	}
	return networktest.Store(t, networktest.Tensors(c.Own), metadata), beside
}

// caseNamed is one of the golden cases.
func (g golden) caseNamed(t *testing.T, name string) goldenCase {
	t.Helper()
	i := slices.IndexFunc(g.Cases, func(c goldenCase) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no golden case %q", name)
	}
	return g.Cases[i]
}

func TestGolden(t *testing.T) {
	e := enginetest.Open(t)
	g := readGolden(t)
	for _, c := range g.Cases {
		t.Run(c.Name, func(t *testing.T) {
			f, beside := g.published(t, c)
			m, err := OpenPretrained(f, Override{}, beside...)
			if err != nil {
				t.Fatal(err)
			}
			g.compare(t, c, runModel(t, e, m, Plain, false))
			g.compare(t, c, runModel(t, e, m, Plain, true))
			g.compare(t, c, runModel(t, e, m, Form{Blocked: true}, false))
			if e.Winograd() {
				g.compare(t, c, runModel(t, e, m, Form{Winograd: true}, false))
			}
		})
	}
}

// compare compares logits [2, 256, 256] with the golden ones.
func (g golden) compare(t *testing.T, c goldenCase, logits []float32) {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(c.Logits)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float32, len(raw)/4)
	if _, err := binary.Decode(raw, binary.LittleEndian, want); err != nil {
		t.Fatal(err)
	}
	var got []float32
	for n := range 2 {
		for _, y := range g.Points {
			for _, x := range g.Points {
				got = append(got, logits[(n*OutputSide+y)*OutputSide+x])
			}
		}
	}
	// The promise for networks of full size is 1e-4 of probabilities and 1e-3 of the largest logit;
	// the sums of these networks have a tenth of the terms.
	largest, difference, probability := 0.0, 0.0, 0.0
	for i, w := range want {
		largest = max(largest, math.Abs(float64(w)))
		difference = max(difference, math.Abs(float64(w-got[i])))
		probability = max(probability, math.Abs(sigmoid(w)-sigmoid(got[i])))
	}
	if !(difference <= 1e-4*largest && probability <= 2e-5) {
		t.Errorf("logits differ by %g (the largest is %g), probabilities by %g", difference, largest, probability)
	}
	mean, square := 0.0, 0.0
	for _, v := range logits {
		mean += float64(v) / float64(len(logits))
		square += float64(v) * float64(v) / float64(len(logits))
	}
	if math.Abs(mean-c.Mean) > 1e-4*largest || math.Abs(square-c.Square) > 1e-4*largest*largest {
		t.Errorf("mean %g and mean square %g, expected %g and %g", mean, square, c.Mean, c.Square)
	}
}

func sigmoid(v float32) float64 { return numeric.Sigmoid(float64(v)) }

// runModel computes the logits [2, 256, 256] of the golden pictures, with sessions of their own for
// the backbones and the decoder.
func runModel(t *testing.T, e *engine.Engine, m *Pretrained, form Form, lowMemory bool) []float32 {
	t.Helper()
	links := 1
	if form.Blocked {
		links = 2
	}
	features := map[string]*engine.Tensor{}
	for i, u := range m.Uses() {
		chain, err := u.Backbone.Chain(form, links, u.Layer)
		if err != nil {
			t.Fatal(err)
		}
		inputs := map[string]*engine.Tensor{"image": goldenPicture(t, u.Backbone.Side())}
		for _, p := range chain {
			out := runProgram(t, e, p, lowMemory, inputs)
			features[FeatureInput(i)] = out[u.Layer]
			inputs = map[string]*engine.Tensor{Carried: out[Carry]}
		}
	}
	p, err := m.DecoderIn(form)
	if err != nil {
		t.Fatal(err)
	}
	return runProgram(t, e, p, lowMemory, features)["logits"].Float32s()
}

func goldenPicture(t *testing.T, side int) *engine.Tensor {
	t.Helper()
	n := 2 * 3 * side * side
	image, err := engine.NewTensor([]int{2, 3, side, side}, networktest.Uniform(fmt.Sprintf("image%d", side), n, 1.5, 0))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func runProgram(t *testing.T, e *engine.Engine, p Program, lowMemory bool, inputs map[string]*engine.Tensor) map[string]*engine.Tensor {
	t.Helper()
	s, err := e.Load(p.ONNX, engine.SessionOptions{ExternalFolder: p.Folder, LowMemory: lowMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(context.Background(), inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A program has a few kilobytes: the weights are not in it.
func TestProgramRefersToTheFile(t *testing.T) {
	g := readGolden(t)
	f, _ := g.published(t, g.caseNamed(t, "vit layer3 conv-12"))
	m, err := OpenPretrained(f, Override{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Uses()[0].Backbone.Program("layer3")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(f.Path()))
	if err != nil {
		t.Fatal(err)
	}
	if p.Folder != folder || len(p.ONNX) > 60_000 || !strings.Contains(string(p.ONNX), filepath.Base(f.Path())) {
		t.Errorf("%d bytes, folder %s", len(p.ONNX), p.Folder)
	}
}
