package evaluate

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/weights/npy"
	"github.com/declip/declip/internal/picture"
)

func writePNG(t *testing.T, m image.Image, path string) {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	writeFile(t, b.Bytes(), path)
}

func writeFile(t *testing.T, data []byte, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeArray(t *testing.T, path string, shape []int, data ...float32) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := npy.Write(path, shape, data); err != nil {
		t.Fatal(err)
	}
}

// predicted gives each picture's map, or its error's text.
func predicted(t *testing.T, dir string, paths ...string) (maps []picture.Map, errs []string) {
	t.Helper()
	p, err := Maps(t.Context(), dir, dataset.UntouchedFiles(paths, "", picture.Limits{}), 0)
	if err != nil {
		t.Fatal(err)
	}
	var samples []dataset.Sample
	for _, path := range paths {
		samples = append(samples, dataset.Sample{Path: path})
	}
	all, err := p.Predict(context.Background(), samples)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		text := ""
		if one[0].Err != nil {
			text = one[0].Err.Error()
		}
		maps, errs = append(maps, one[0].Map), append(errs, text)
	}
	return maps, errs
}

func TestMapsOfEveryKind(t *testing.T) {
	dir := t.TempDir()
	grey, deep, colour := image.NewGray(image.Rect(0, 0, 2, 1)), image.NewGray16(image.Rect(0, 0, 2, 1)), image.NewNRGBA(image.Rect(0, 0, 2, 1))
	grey.Pix[1] = 51
	deep.SetGray16(1, 0, color.Gray16{13107})
	colour.Set(0, 0, color.NRGBA{0, 0, 0, 255})
	colour.Set(1, 0, color.NRGBA{51, 51, 51, 255})
	writePNG(t, grey, filepath.Join(dir, "grey.png"))
	writePNG(t, deep, filepath.Join(dir, "deep.prob.png"))
	writePNG(t, colour, filepath.Join(dir, "colour.png"))
	writeArray(t, filepath.Join(dir, "flat.npy"), []int{1, 2}, 0, 0.2)
	writeArray(t, filepath.Join(dir, "batch.npy"), []int{1, 1, 1, 2}, 0, 0.2)
	writeArray(t, filepath.Join(dir, "ext.jpg.npy"), []int{1, 2, 1}, 0, 0.2)
	writePNG(t, colour, filepath.Join(dir, "flat.png")) // the array takes precedence
	names := []string{"a/grey.jpg", "a/deep.jpg", "a/colour.jpg", "a/flat.jpg", "a/batch.jpg"}
	maps, errs := predicted(t, dir, names...)
	for i, m := range maps {
		if errs[i] != "" || m.Width != 2 || m.Height != 1 || m.Prob[0] != 0 || m.Prob[1] != 0.2 {
			t.Errorf("%s: %+v, %s", names[i], m, errs[i])
		}
	}
	if maps, errs := predicted(t, dir, "a/ext.jpg"); errs[0] != "" || maps[0].Width*maps[0].Height != 2 {
		t.Errorf("[1,2,1]: %+v, %s", maps[0], errs[0])
	}
}

func TestMapsAreFoundByFolders(t *testing.T) {
	dir := t.TempDir()
	writeArray(t, filepath.Join(dir, "ldm", "test", "1.npy"), []int{1, 1}, 0.1)
	writeArray(t, filepath.Join(dir, "test", "1.npy"), []int{1, 1}, 0.2)
	writeArray(t, filepath.Join(dir, "1.npy"), []int{1, 1}, 0.3)
	writeArray(t, filepath.Join(dir, "2.npy"), []int{1, 1}, 0.4)
	maps, errs := predicted(t, dir, "d/ldm/test/1.png", "d/lama/test/1.png", "d/1.png", "d/3.png", "d/x/2.png", "d/y/2.png")
	for i, want := range []float32{0.1, 0.2, 0.3} {
		if errs[i] != "" || maps[i].Prob[0] != want {
			t.Errorf("picture %d: %+v, %s; expected %v", i, maps[i], errs[i], want)
		}
	}
	if !strings.Contains(errs[3], "expected 3.npy or .png") {
		t.Errorf("a missing map: %q", errs[3])
	}
	for _, text := range errs[4:] {
		if !strings.Contains(text, "fits 2 pictures") {
			t.Errorf("a map of two pictures: %q", text)
		}
	}
}

func TestMapsRefuse(t *testing.T) {
	dir := t.TempDir()
	colour := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	colour.Set(1, 1, color.NRGBA{200, 10, 10, 255})
	writePNG(t, colour, filepath.Join(dir, "heat.png"))
	writeArray(t, filepath.Join(dir, "logits.npy"), []int{2, 2}, 0, 0, -3, 0)
	writeArray(t, filepath.Join(dir, "two.npy"), []int{2, 2, 2}, 0, 0, 0, 0, 0, 0, 0, 0)
	writeArray(t, filepath.Join(dir, "none.npy"), []int{0, 3})
	writeFile(t, []byte("hello, hello, hello"), filepath.Join(dir, "text.npy"))
	writeFile(t, []byte("hello"), filepath.Join(dir, "text2.png"))
	for name, want := range map[string]string{
		"heat":   "heat.png: coloured at (1,1), expected a grey map",
		"logits": "logits.npy: -3 at (0,1), expected probabilities from 0 to 1",
		"two":    "array of shape [2 2 2], expected [H,W]",
		"none":   "array of shape [0 3], expected [H,W]",
		"text":   "text.npy: not a supported .npy file",
		"text2":  "text2.png: ",
	} {
		if _, errs := predicted(t, dir, name+".jpg"); !strings.Contains(errs[0], want) {
			t.Errorf("%s: got %q, expected ...%q", name, errs[0], want)
		}
	}
	for _, dir := range []string{filepath.Join(dir, "no"), t.TempDir()} {
		if _, err := Maps(t.Context(), dir, dataset.UntouchedFiles(nil, "", picture.Limits{}), 0); err == nil || !strings.Contains(err.Error(), "predictions in "+dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// Maps of 0 and 1 are not read as shares of 255: the scale decides.
func TestMapsOfZeroAndOne(t *testing.T) {
	save := func(dir, name string, levels ...uint8) {
		m := image.NewGray(image.Rect(0, 0, len(levels), 1))
		copy(m.Pix, levels)
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := dataset.UntouchedFiles([]string{"in/a.jpg", "in/b.jpg"}, "", picture.Limits{})
	dir := t.TempDir()
	save(dir, "a.png", 0, 0)
	save(dir, "b.png", 0, 1)
	if _, err := Maps(t.Context(), dir, source, 0); err == nil || !strings.Contains(err.Error(), "no values but 0 and 1, such as "+filepath.Join(dir, "b.png")) {
		t.Errorf("maps of 0 and 1 give the error %v", err)
	}
	for scale, want := range map[float32]float32{1: 1, 255: 1.0 / 255} {
		p, err := Maps(t.Context(), dir, source, scale)
		if err != nil {
			t.Fatal(err)
		}
		all, err := p.Predict(context.Background(), []dataset.Sample{{Path: "in/b.jpg"}})
		if err != nil || all[0][0].Err != nil || all[0][0].Map.Prob[1] != want {
			t.Errorf("scale %v: %v, %v; expected %v", scale, all, err, want)
		}
	}
	save(dir, "a.png", 0, 2) // now 1 is a small probability
	if _, err := Maps(t.Context(), dir, source, 0); err != nil {
		t.Error(err)
	}
	save(dir, "a.png", 0, 0)
	save(dir, "b.png", 0, 0)
	if _, err := Maps(t.Context(), dir, source, 0); err != nil {
		t.Errorf("empty maps: %v", err)
	}
}
