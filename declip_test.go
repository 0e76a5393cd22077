package declip

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

var (
	tiled   = network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 128, Overlap: 32}, LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1, 2}}}
	resized = network.Spec{Arch: network.ArchXception, Decoder: "linear"}
)

// writeModel writes a network with random weights and gives its path.
func writeModel(t testing.TB, spec network.Spec) string {
	t.Helper()
	net, err := network.New(spec, 7)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []weights.Tensor
	for _, p := range net.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := weights.Write(path, tensors, map[string]string{network.SpecKey: net.SpecJSON()}); err != nil {
		t.Fatal(err)
	}
	return path
}

func openModel(t testing.TB, spec network.Spec, o Options) *Model {
	t.Helper()
	o.Library, o.Device = enginetest.Library(t), "cpu"
	m, err := Open(writeModel(t, spec), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// noise is a picture of random blobs, different for each size.
func noise(w, h int) *image.NRGBA {
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := 128 + 100*math.Sin(float64(x)/9)*math.Cos(float64(y)/7)
			img.SetNRGBA(x, y, color.NRGBA{uint8(v), uint8(r.IntN(256)), uint8(255 - v), 255})
		}
	}
	return img
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLocalizeGivesWhatItSays(t *testing.T) {
	for name, spec := range map[string]network.Spec{"tiles": tiled, "resize": resized} {
		t.Run(name, func(t *testing.T) {
			m := openModel(t, spec, Options{})
			for _, size := range [][2]int{{1, 1}, {31, 50}, {301, 203}} {
				r, err := m.Localize(context.Background(), noise(size[0], size[1]))
				if err != nil {
					t.Fatal(err)
				}
				checkResult(t, r, m.Name(), size[0], size[1])
			}
		})
	}
}

func checkResult(t *testing.T, r *Result, model string, w, h int) {
	t.Helper()
	if r.Width != w || r.Height != h || len(r.Prob) != w*h || r.Model != model || r.Orientation != 1 {
		t.Fatalf("result is %d x %d with %d probabilities of model %q, orientation %d", r.Width, r.Height, len(r.Prob), r.Model, r.Orientation)
	}
	if len(r.Raw.Prob) != r.Raw.Width*r.Raw.Height || len(r.Raw.Prob) == 0 {
		t.Fatalf("network's own output is %d x %d with %d values", r.Raw.Width, r.Raw.Height, len(r.Raw.Prob))
	}
	sum, over := 0.0, 0
	for _, p := range slices.Concat(r.Prob, r.Raw.Prob) {
		if !(p >= 0 && p <= 1) {
			t.Fatalf("probability of %g", p)
		}
	}
	for _, p := range r.Prob {
		sum += float64(p)
		if float64(p) > r.Threshold {
			over++
		}
	}
	// The sums differ in order.
	if got, want := r.MeanProbability, sum/float64(w*h); math.Abs(got-want) > 1e-9 {
		t.Errorf("mean probability is %g, expected %g", got, want)
	}
	if got, want := r.ManipulatedFraction, float64(over)/float64(w*h); got != want {
		t.Errorf("manipulated fraction is %g, expected %g", got, want)
	}
	if r.Score < 0 || r.Score > 1 {
		t.Errorf("score is %g", r.Score)
	}
	for i, g := range r.Regions {
		if g.Area <= 0 || g.Area > g.Box.Dx()*g.Box.Dy() || !g.Box.In(image.Rect(0, 0, w, h)) || g.Mean > g.Peak {
			t.Errorf("region %d is %+v", i, g)
		}
	}
}

func TestRawIsTheNetworksOwnGrid(t *testing.T) {
	r, err := openModel(t, tiled, Options{}).Localize(context.Background(), noise(301, 203))
	if err != nil {
		t.Fatal(err)
	}
	if r.Raw.Width != 76 || r.Raw.Height != 51 { // stride 4, rounded up
		t.Errorf("tiles: own output is %d x %d, expected 76 x 51", r.Raw.Width, r.Raw.Height)
	}
	r, err = openModel(t, resized, Options{}).Localize(context.Background(), noise(301, 203))
	if err != nil {
		t.Fatal(err)
	}
	if r.Raw.Width != 256 || r.Raw.Height != 256 {
		t.Errorf("resize: own output is %d x %d, expected 256 x 256", r.Raw.Width, r.Raw.Height)
	}
}

func TestFilesReadersAndImagesAgree(t *testing.T) {
	m := openModel(t, tiled, Options{})
	img := noise(140, 90)
	data := encodePNG(t, img)
	path := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	want, err := m.LocalizeFile(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if want.Format != "png" {
		t.Errorf("format is %q, expected png", want.Format)
	}
	fromReader, err := m.LocalizeReader(ctx, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	rgba := image.NewRGBA(image.Rect(-5, 7, 135, 97)) // an origin of its own
	veiled := image.NewNRGBA(img.Rect)
	for y := range 90 {
		for x := range 140 {
			c := img.NRGBAAt(x, y)
			rgba.Set(x-5, y+7, c)
			c.A = uint8(1 + x) // alpha is dropped
			veiled.SetNRGBA(x, y, c)
		}
	}
	for name, img := range map[string]image.Image{"NRGBA": img, "RGBA": rgba, "with alpha": veiled, "unknown type": struct{ image.Image }{img}} {
		got, err := m.Localize(ctx, img)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Prob, want.Prob) {
			t.Errorf("%s: not the probabilities of the same picture in a file", name)
		}
	}
	if !slices.Equal(fromReader.Prob, want.Prob) {
		t.Error("reader: not the probabilities of the same picture in a file")
	}
}

func TestConcurrentUse(t *testing.T) {
	m := openModel(t, tiled, Options{})
	// More shapes than sessions are kept, so that some are closed meanwhile.
	var sizes [][2]int
	for i := range 9 {
		sizes = append(sizes, [2]int{16 + 32*(i%4), 16 + 32*(i/4)})
	}
	want := make([]*Result, len(sizes))
	for i, s := range sizes {
		var err error
		if want[i], err = m.Localize(context.Background(), noise(s[0], s[1])); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for i := range sizes {
				i := (i*(k+1) + k) % len(sizes)
				got, err := m.Localize(context.Background(), noise(sizes[i][0], sizes[i][1]))
				if err != nil {
					t.Error(err)
				} else if !slices.Equal(got.Prob, want[i].Prob) {
					t.Errorf("size %v: differs from the result of a single caller", sizes[i])
				}
			}
		})
	}
	wg.Wait()
}

func TestThresholdMarksMaskAndRegions(t *testing.T) {
	img := noise(120, 100)
	var last float64 = 2
	for _, threshold := range []float64{.1, .45, .9} {
		r, err := openModel(t, tiled, Options{Threshold: threshold}).Localize(context.Background(), img)
		if err != nil {
			t.Fatal(err)
		}
		marked := 0
		mask := r.Mask().(*picture.Gray)
		for _, v := range mask.Pix {
			if v == 255 {
				marked++
			} else if v != 0 {
				t.Fatalf("mask holds %d", v)
			}
		}
		if got := float64(marked) / (120 * 100); got != r.ManipulatedFraction || got > last {
			t.Errorf("threshold %g: mask marks %g, fraction is %g, before it was %g", threshold, got, r.ManipulatedFraction, last)
		}
		last = r.ManipulatedFraction
		for _, m := range []image.Image{r.Gray(), r.Overlay(img)} {
			if m.Bounds() != image.Rect(0, 0, 120, 100) {
				t.Errorf("a map's bounds are %v", m.Bounds())
			}
		}
	}
}

func TestErrors(t *testing.T) {
	m := openModel(t, tiled, Options{MaxPixels: 10_000})
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, noise(64, 64), nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := []struct {
		name string
		data []byte
		want error
	}{
		{"large.png", encodePNG(t, noise(101, 100)), ErrTooLarge},
		{"cut.jpg", jpg.Bytes()[:jpg.Len()/2], ErrTruncated},
		{"text.png", []byte("hello, world\n"), ErrFormat},
		{"missing.png", nil, os.ErrNotExist},
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if f.data != nil {
			if err := os.WriteFile(path, f.data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := m.LocalizeFile(context.Background(), path)
		if !errors.Is(err, f.want) || !strings.Contains(err.Error(), f.name) {
			t.Errorf("%s: error %v, expected one that names the file and is %v", f.name, err, f.want)
		}
	}
	if _, err := m.Localize(context.Background(), image.NewNRGBA(image.Rectangle{})); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("no pixels: error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Localize(ctx, noise(32, 32)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Setenv("DECLIP_MODELS", t.TempDir())
	foreign := filepath.Join(t.TempDir(), "foreign.safetensors")
	if err := weights.Write(foreign, []weights.Tensor{weights.FromFloat32s("a", []int{1}, []float32{1})}, nil); err != nil {
		t.Fatal(err)
	}
	model := writeModel(t, tiled)
	tests := []struct {
		name, model string
		o           Options
		want        string
		is          error
	}{
		{"no model", "nosuch", Options{}, `"nosuch"`, ErrNoModel},
		{"no checkpoint", foreign, Options{}, foreign, nil},
		{"threshold", model, Options{Threshold: 1.5}, "threshold 1.5", nil},
		{"no library", model, Options{Library: filepath.Join(t.TempDir(), "none.so")}, "do one of these", ErrNoLibrary},
		{"device", model, Options{Device: "abacus"}, "abacus", nil},
	}
	for _, test := range tests {
		_, err := Open(test.model, test.o)
		if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: error %v, expected %q", test.name, err, test.want)
		}
	}
}

func BenchmarkLocalizeMegapixel(b *testing.B) {
	m := openModel(b, network.Spec{Arch: network.ArchLite}, Options{})
	img := noise(1000, 1000)
	for b.Loop() {
		if _, err := m.Localize(context.Background(), img); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "MP/s")
}

func TestInfo(t *testing.T) {
	for _, c := range []struct {
		specs []network.Spec
		mode  string
	}{{[]network.Spec{tiled}, SizeTiles}, {[]network.Spec{resized, resized}, SizeResize}, {[]network.Spec{tiled, resized}, SizeMixed}} {
		var paths, networks []string
		for _, spec := range c.specs {
			paths = append(paths, writeModel(t, spec))
		}
		m, err := OpenSeveral(paths, Options{Library: enginetest.Library(t), Device: "cpu"})
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range c.specs {
			n, err := network.New(spec, 1)
			if err != nil {
				t.Fatal(err)
			}
			networks = append(networks, n.Spec().String())
		}
		got := m.Info()
		made := got.Provenance
		got.Provenance = nil
		if want := (Info{Network: strings.Join(networks, " + "), SizeMode: c.mode, Device: "cpu", Threshold: 0.5, MaxPixels: DefaultMaxPixels}); got != want {
			t.Errorf("got %+v, expected %+v", got, want)
		}
		if made == nil || len(made.Weights) != len(paths) || !strings.HasPrefix(made.Engine, "ONNX Runtime 1.") {
			t.Fatalf("the provenance is %+v", made)
		}
		for i, w := range made.Weights {
			data, err := os.ReadFile(paths[i])
			if err != nil {
				t.Fatal(err)
			}
			if want := (WeightsFile{Name: filepath.Base(paths[i]), SHA256: fmt.Sprintf("%x", sha256.Sum256(data))}); w != want {
				t.Errorf("got %+v, expected %+v", w, want)
			}
		}
		m.Close()
	}
}
