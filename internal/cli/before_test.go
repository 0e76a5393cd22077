package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/nn/weights/npy"
)

// liteGolden is what the built-in model gave for the sample before the packages were rearranged.
type liteGolden struct {
	Score               float64     `json:"score"`
	MeanProbability     float64     `json:"mean_probability"`
	ManipulatedFraction float64     `json:"manipulated_fraction"`
	Map                 [][]float64 `json:"map"` // means of 8 x 8 blocks of the output
}

// The built-in model gives the same scores and map as before. On the machine that made the golden
// file the bits are equal; other processors differ by about a millionth.
func TestLiteAsBefore(t *testing.T) {
	const tolerance = 1e-4
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	var want, got liteGolden
	text, err := os.ReadFile(filepath.Join("testdata", "before", "lite.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	sample := filepath.Join(enginetest.ModuleRoot(t), "testdata", "sample", "forged.jpg")
	var stdout, stderr bytes.Buffer
	if code := Run(context.Background(), []string{"localize", "--json", "--npy", "-o", out, sample}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]float64{
		"score":                {got.Score, want.Score},
		"mean probability":     {got.MeanProbability, want.MeanProbability},
		"manipulated fraction": {got.ManipulatedFraction, want.ManipulatedFraction},
	} {
		if !(math.Abs(pair[0]-pair[1]) <= tolerance) {
			t.Errorf("%s is %g, expected %g", name, pair[0], pair[1])
		}
	}
	shape, values, err := npy.Read(filepath.Join(out, "forged.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if rows, columns := len(want.Map), len(want.Map[0]); !slices.Equal(shape, []int{8 * rows, 8 * columns}) {
		t.Fatalf("the map has shape %v, expected %d x %d blocks of 8 x 8", shape, rows, columns)
	}
	for y, row := range want.Map {
		for x, mean := range row {
			if got := blockMean(values, shape[1], x, y); !(math.Abs(got-mean) <= tolerance) {
				t.Errorf("the mean of block %d,%d is %g, expected %g", x, y, got, mean)
			}
		}
	}
}

// blockMean is the mean of the block of 8 x 8 values at column x and row y of blocks.
func blockMean(values []float32, width, x, y int) float64 {
	sum := 0.0
	for i := range 8 {
		for _, v := range values[(8*y+i)*width+8*x:][:8] {
			sum += float64(v)
		}
	}
	return sum / 64
}

// scriptCloseTensors checks that two files have the same tensors with values that differ by at most
// a share of the tensor's largest value: closetensors FILE FILE SHARE.
func scriptCloseTensors(ts *testscript.TestScript, _ bool, args []string) {
	share, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	got, err := weights.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer got.Close()
	want, err := weights.Open(ts.MkAbs(args[1]))
	ts.Check(err)
	defer want.Close()
	names := want.Names()
	if !slices.Equal(slices.Sorted(slices.Values(got.Names())), slices.Sorted(slices.Values(names))) || len(names) == 0 {
		ts.Fatalf("%s has the tensors %v, expected %v", args[0], got.Names(), names)
	}
	for _, name := range names {
		a, err := got.Float32s(name)
		ts.Check(err)
		b, err := want.Float32s(name)
		ts.Check(err)
		if len(a) != len(b) {
			ts.Fatalf("%s: %s has %d values, expected %d", args[0], name, len(a), len(b))
		}
		largest, difference := 0.0, 0.0
		for i, v := range b {
			largest = max(largest, math.Abs(float64(v)))
			difference = max(difference, math.Abs(float64(a[i])-float64(v))) // NaN if one is NaN
		}
		if !(difference <= share*largest) {
			ts.Fatalf("%s: %s differs by %g, its largest value is %g", args[0], name, difference, largest)
		}
	}
}

// scriptNear checks a number in the JSON object on standard output: near KEY VALUE TOLERANCE.
func scriptNear(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	tolerance, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	if got, ok := object[args[0]].(float64); !ok || !(math.Abs(got-want) <= tolerance) {
		ts.Fatalf("%s is %v, expected %g", args[0], object[args[0]], want)
	}
}
