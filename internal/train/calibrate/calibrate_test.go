package calibrate

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
)

const side = 64

// The fake model's logit is its bias plus (red - 128) / 16 of the picture's red channel. The
// manipulated square is at 100 (logit -1.75); the rest at 40 (-5.5) where it isn't brightened.
func makePicture(name string, rest uint8, manipulated bool) Picture {
	return Picture{Name: name, Load: func() (dataset.Sample, error) {
		p, m := picture.NewRGB(side, side), picture.NewGray(side, side)
		for i := range m.Pix {
			p.Pix[3*i] = rest
			if x, y := i%side, i/side; manipulated && x >= 16 && x < 48 && y >= 16 && y < 48 {
				p.Pix[3*i], m.Pix[i] = 100, 255
			}
		}
		return dataset.Sample{Picture: picture.New(p), Mask: m, Name: name}, nil
	}}
}

func options(t *testing.T, pictures ...Picture) Options {
	return Options{
		Pictures: pictures, MaxFlagged: 0.25, Workers: 2,
		Open: func(path string) (Predict, func(), error) {
			bias := outBias(t, path)
			return eachShift(func(p *picture.RGB, shift float64) []float32 {
				prob := make([]float32, p.Width*p.Height)
				for i := range prob {
					prob[i] = float32(numeric.Sigmoid(float64(bias) + shift + (float64(p.Pix[3*i])-128)/16))
				}
				return prob
			}), func() {}, nil
		},
	}
}

// eachShift calls predict for each shift.
func eachShift(predict func(p *picture.RGB, shift float64) []float32) Predict {
	return func(_ context.Context, p *picture.RGB, shifts []float64, do func(int, []float32) error) error {
		for i, shift := range shifts {
			if err := do(i, predict(p, shift)); err != nil {
				return err
			}
		}
		return nil
	}
}

func outBias(t *testing.T, path string) float32 {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := f.Float32s("context.out.bias")
	if err != nil {
		v, err = f.Float32s("fc.0.bias")
	}
	if err != nil {
		t.Fatal(err)
	}
	return v[0]
}

// model writes a small network that runs over tiles, in half precision, whose last bias is zero,
// with metadata and an unused tensor.
func model(t *testing.T) *weights.File {
	return modelOf(t, network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 4, 4}, LiteOptions: network.LiteOptions{Context: 4, Dilations: []int{1}}})
}

func modelOf(t *testing.T, spec network.Spec) *weights.File {
	t.Helper()
	net, err := network.New(spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []weights.Tensor
	for _, p := range net.Params() {
		if p.Name == "context.out.bias" || p.Name == "fc.0.bias" {
			p.Data[0] = 0
		}
		tensors = append(tensors, weights.FromFloat32sAsHalf(p.Name, p.Shape, p.Data))
	}
	tensors = append(tensors, weights.FromFloat32s("train.m.conv1.weight", []int{1}, []float32{1}))
	path := filepath.Join(t.TempDir(), "model.safetensors")
	meta := map[string]string{network.SpecKey: net.SpecJSON(), "note": "kept"}
	if err := weights.Write(path, tensors, meta); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// At 0.5 nothing is found. The square is found at any threshold below its logit, -1.75, and the
// lowest threshold with that best F1 is the first on the grid not below the rest's logit, -5.5. But
// only one untouched picture in four may be flagged, and besides one at the square's logit there is
// another just below -3: the threshold must be at least -3.
func TestRun(t *testing.T) {
	file := model(t)
	o := options(t, makePicture("forged", 40, true), makePicture("a", 48, false), makePicture("b", 79, false),
		makePicture("c", 40, false), makePicture("d", 100, false))
	r, err := Run(context.Background(), file, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Shift != 3 || math.Abs(r.Threshold-numeric.Sigmoid(-3)) > 1e-12 {
		t.Errorf("shift %g, threshold %g, expected 3 and %g", r.Shift, r.Threshold, numeric.Sigmoid(-3))
	}
	if want := (Point{F1: 0, Flagged: 0}); r.Before.F1 > 1e-30 || r.Before.Flagged != want.Flagged {
		t.Errorf("before: %+v, expected %+v", r.Before, want)
	}
	if want := (Point{F1: 1, Flagged: 0.25, MostFlagged: 0.25}); r.After != want {
		t.Errorf("after: %+v, expected %+v", r.After, want)
	}
	if r.Manipulated != 1 || r.Untouched != 4 {
		t.Errorf("%d manipulated, %d untouched, expected 1 and 4", r.Manipulated, r.Untouched)
	}
	checkWritten(t, file, r)
}

// checkWritten checks the file that the result writes.
func checkWritten(t *testing.T, file *weights.File, r *Result) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.safetensors")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if got := outBias(t, path); got != float32(r.Shift) {
		t.Errorf("bias is %g, expected %g", got, r.Shift)
	}
	out, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := network.Open(out); err != nil {
		t.Errorf("the result does not open: %v", err)
	}
	if got, want := len(out.Names()), len(file.Names())-1; got != want {
		t.Errorf("%d tensors, expected %d: the network's, without the optimizer's", got, want)
	}
	if tensor, _ := out.Tensor("conv1.weight"); tensor.DType != weights.Float16 {
		t.Errorf("conv1.weight is %s, expected the %s it was", tensor.DType, weights.Float16)
	}
	meta := out.Metadata()
	if meta["note"] != "kept" || meta[network.SpecKey] != file.Metadata()[network.SpecKey] {
		t.Errorf("metadata were not kept: %v", meta)
	}
	var facts Facts
	if err := json.Unmarshal([]byte(meta[MetadataKey]), &facts); err != nil || facts.Shift != r.Shift {
		t.Errorf("facts in the file: %+v, %v; expected %+v", facts, err, r.Facts)
	}
}

// A map that moves less than the shift, as blended and enlarged maps do, takes more passes; in the
// end the limit holds.
func TestRunChecksTheShiftedNetwork(t *testing.T) {
	o := options(t, makePicture("forged", 140, true), makePicture("a", 150, false))
	o.MaxFlagged = 0
	inner, passes := o.Open, 0
	o.Open = func(path string) (Predict, func(), error) {
		passes++
		bias := float64(outBias(t, path))
		predict, done, err := inner(path)
		return func(ctx context.Context, p *picture.RGB, shifts []float64, do func(int, []float32) error) error {
			return predict(ctx, p, shifts, func(i int, prob []float32) error {
				for i, v := range prob { // half of the last unit of the shift gets lost
					prob[i] = float32(numeric.Sigmoid(math.Log(float64(v)/(1-float64(v))) + math.Min(0.5, -bias/2)))
				}
				return do(i, prob)
			})
		}, done, err
	}
	resized := network.Spec{Arch: network.ArchXception, Decoder: "linear", ResizeOptions: network.ResizeOptions{Input: 64, Output: 64}}
	r, err := Run(context.Background(), modelOf(t, resized), o)
	if err != nil {
		t.Fatal(err)
	}
	if passes < 3 || r.After.Flagged != 0 {
		t.Errorf("%d passes, %+v afterwards; expected at least 3, nothing flagged", passes, r.After)
	}
}

// The threshold is first chosen without dropping regions, then several shifts are measured with it.
// A file that drops regions already continues to do so.
func TestRunWithBlobs(t *testing.T) {
	for name, before := range map[string]bool{"asked for": false, "kept": true} {
		file := model(t)
		if before {
			net, err := network.Open(file)
			if err == nil {
				err = net.WeighBlobs(true)
			}
			if err != nil {
				t.Fatal(err)
			}
			r := &Result{file: file, net: net}
			path := filepath.Join(t.TempDir(), "before.safetensors")
			if err := r.Write(path); err != nil {
				t.Fatal(err)
			}
			if file, err = weights.Open(path); err != nil {
				t.Fatal(err)
			}
			defer file.Close()
		}
		o := options(t, makePicture("forged", 40, true), makePicture("a", 40, false))
		o.Blobs = !before
		inner := o.Open
		var seen []bool
		o.Open = func(path string) (Predict, func(), error) {
			seen = append(seen, blobsIn(t, path))
			return inner(path)
		}
		r, err := Run(context.Background(), file, o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(seen, []bool{false, true}) {
			t.Errorf("%s: regions were selected in passes %v, expected not in the first, and in the second", name, seen)
		}
		path := filepath.Join(t.TempDir(), "out.safetensors")
		if err := r.Write(path); err != nil {
			t.Fatal(err)
		}
		if r.Shift <= 0 || !blobsIn(t, path) {
			t.Errorf("%s: shift %g, parts judged: %v", name, r.Shift, blobsIn(t, path))
		}
	}
}

func blobsIn(t *testing.T, path string) bool {
	t.Helper()
	return specIn(t, path).Blobs
}

func specIn(t *testing.T, path string) network.Spec {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	net, err := network.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return net.Spec()
}

func TestRunRefuses(t *testing.T) {
	o := options(t, makePicture("a", 40, false))
	if _, err := Run(context.Background(), model(t), o); err == nil {
		t.Error("pictures without a manipulated one are taken")
	}
	o = options(t, makePicture("forged", 40, true), makePicture("a", 40, false))
	o.Open = func(string) (Predict, func(), error) {
		return eachShift(func(p *picture.RGB, _ float64) []float32 {
			return slices.Repeat([]float32{1}, p.Width*p.Height)
		}), func() {}, nil
	}
	if _, err := Run(context.Background(), model(t), o); !errors.Is(err, ErrNoThreshold) {
		t.Errorf("got %v, expected %v", err, ErrNoThreshold)
	}
}

// With regions dropped, another shift may be best: this fake model then finds the square only at
// shifts of 1 to 2, and flags a untouched picture from 1.75 on.
func TestRunMovesOnWithBlobs(t *testing.T) {
	file := model(t)
	o := options(t, makePicture("forged", 40, true), makePicture("a", 40, false), makePicture("b", 79, false))
	o.Blobs, o.MaxFlagged = true, 0
	inner := o.Open
	o.Open = func(path string) (Predict, func(), error) {
		if !blobsIn(t, path) {
			return inner(path)
		}
		bias := float64(outBias(t, path))
		return eachShift(func(p *picture.RGB, shift float64) []float32 {
			bias := bias + shift
			prob := make([]float32, p.Width*p.Height)
			for i := range prob {
				switch red := p.Pix[3*i]; {
				case red == 100 && bias >= 1 && bias <= 2:
					prob[i] = 1
				case red == 79 && bias >= 1.75:
					prob[i] = 1
				}
			}
			return prob
		}), func() {}, nil
	}
	r, err := Run(context.Background(), file, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Shift < 1 || r.Shift >= 1.75 || r.After != (Point{F1: 1}) {
		t.Errorf("shift %g, after %+v, expected 1 to 1.75 and all found", r.Shift, r.After)
	}
}

// Findings of detectors do not move with the logits: an untouched picture with one takes the place
// of another that may be flagged. The best shift is far from the one that the network's maps alone
// say, at which both are flagged.
func TestRunWithFindings(t *testing.T) {
	o := options(t, makePicture("forged", 40, true), makePicture("a", 90, false), makePicture("b", 41, false))
	o.MaxFlagged, o.Detectors = 0.5, []string{"copies"}
	inner := o.Open
	o.Open = func(path string) (Predict, func(), error) {
		predict, done, err := inner(path)
		if err != nil || len(specIn(t, path).Detectors) == 0 {
			return predict, done, err
		}
		return func(ctx context.Context, p *picture.RGB, shifts []float64, do func(int, []float32) error) error {
			return predict(ctx, p, shifts, func(i int, prob []float32) error {
				if p.Pix[0] == 41 {
					prob = slices.Repeat([]float32{0.9}, len(prob))
				}
				return do(i, prob)
			})
		}, done, nil
	}
	r, err := Run(context.Background(), model(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Shift <= 1.75 || r.Shift > 2.375 || r.After != (Point{F1: 1, Flagged: 0.5, MostFlagged: 0.5}) {
		t.Errorf("shift %g, after %+v, expected 1.75 to 2.375, all found and one flagged", r.Shift, r.After)
	}
}
