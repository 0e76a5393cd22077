package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/declip/declip"
	public "github.com/declip/declip/evaluation"
	"github.com/declip/declip/internal/nn/weights/npy"
	"github.com/declip/declip/internal/picture"
)

// "declip eval" and package evaluation give the same numbers for the same maps.
func TestEvalAgreesWithLibrary(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"data/images", "data/masks", "maps"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e, err := public.New(public.Options{Threshold: 0.4, Bootstrap: 100, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	const w, h = 96, 64
	for i, name := range []string{"a", "b", "c", "d"} {
		mask, values := picture.NewGray(w, h), make([]float32, w*h)
		for k := range values {
			x, y := k%w, k/w
			values[k] = float32((x*7+y*(3+i))%100) / 99
			if i < 3 && inSquare(x, y, w, h) {
				mask.Pix[k], values[k] = 255, 1-values[k]/2
			}
		}
		save := func(file string, img image.Image) {
			data, err := encodePicture(".png", img)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "data", file, name+".png"), data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		save("images", scene(w, h))
		save("masks", mask)
		if err := npy.Write(filepath.Join(dir, "maps", name+".npy"), []int{h, w}, values); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Add(public.Picture{Name: name, Mask: mask, Map: declip.Map{Prob: values, Width: w, Height: h}}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	root := (&app{stdout: &out, stderr: io.Discard}).newRoot()
	root.SetArgs([]string{"eval", "--data", filepath.Join(dir, "data"), "--predictions", filepath.Join(dir, "maps"), "--threshold", "0.4",
		"--bootstrap", "100", "--seed", "7", "--json"})
	if err := root.ExecuteContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(e.Summary())
	if err != nil {
		t.Fatal(err)
	}
	var library, program map[string]any
	if err := json.Unmarshal(text, &library); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &program); err != nil {
		t.Fatalf("%v in %s", err, out.Bytes())
	}
	if library["iou"] == nil || library["pooled"] == nil || library["detection"] == nil {
		t.Fatalf("scores are missing: %s", text)
	}
	for name, want := range library {
		if !reflect.DeepEqual(program[name], want) {
			t.Errorf("%s is %v, of the library %v", name, program[name], want)
		}
	}
}
