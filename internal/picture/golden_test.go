package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The golden files come from tools/golden/picture.py: Pillow 9.4 with
// libjpeg-turbo 2.1 and libwebp 1.2, PyTorch 1.13.

func readPNG(t *testing.T, path string) *RGB {
	t.Helper()
	d, err := Open(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return d.RGB
}

// difference gives the largest and the mean difference of samples.
func difference(a, b []uint8) (most int, mean float64) {
	sum := 0
	for i := range a {
		d := max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
		most = max(most, d)
		sum += d
	}
	return most, float64(sum) / float64(len(a))
}

func TestDecodeAsPillow(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/decode/*.*")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		if _, err := os.Stat(file + ".png"); err != nil {
			continue // an expectation
		}
		n++
		t.Run(filepath.Base(file), func(t *testing.T) {
			got, err := Open(file, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := readPNG(t, file+".png")
			if got.Width != want.Width || got.Height != want.Height {
				t.Fatalf("%d x %d pixels, want %d x %d", got.Width, got.Height, want.Width, want.Height)
			}
			most, mean := difference(got.Pix, want.Pix)
			if most != 0 {
				t.Errorf("differs from Pillow by at most %d, in the mean %.4f; want the same bytes", most, mean)
			}
			orientation := 1
			if strings.HasPrefix(filepath.Base(file), "orientation6") {
				orientation = 6
			}
			if got.Orientation != orientation {
				t.Errorf("orientation %d, want %d", got.Orientation, orientation)
			}
			gray, err := OpenGray(file, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(gray.Pix, got.ToGray().Pix) {
				t.Error("OpenGray differs from the luma of Open")
			}
		})
	}
	if n < 60 {
		t.Errorf("%d golden pictures, want at least 60", n)
	}
}

func TestResizeAsPillow(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/resize/*-*.png")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".png")
		var w, h int
		if _, err := fmt.Sscanf(name[strings.LastIndexByte(name, '-')+1:], "%dx%d", &w, &h); err != nil {
			t.Fatal(err)
		}
		src, want := readPNG(t, "testdata/golden/resize/"+name[:1]+".png"), readPNG(t, file)
		got := Resize(src, w, h)
		if strings.Contains(name, "gray") {
			got = ResizeGray(src.ToGray(), w, h).ToRGB()
		}
		if most, mean := difference(got.Pix, want.Pix); most != 0 {
			t.Errorf("%s: differs by at most %d, in the mean %.4f; want the same bytes", name, most, mean)
		}
	}
}

func TestResizeFloatAsTorch(t *testing.T) { checkFloats(t, "float", 7, ResizeFloat) }

func TestFitFloatAsTorch(t *testing.T) {
	checkFloats(t, "antialiased", 6, FitFloat)
	src := []float32{0, 1, 0.5, 0.25}
	if got, want := FitFloat(src, 2, 2, 5, 4), ResizeFloat(src, 2, 2, 5, 4); !slices.Equal(got, want) {
		t.Errorf("enlarged: %v, want %v", got, want)
	}
}

func checkFloats(t *testing.T, folder string, count int, resize func(src []float32, sw, sh, dw, dh int) []float32) {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/" + folder + "/*.f32")
	if err != nil || len(files) < count {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		var sw, sh, dw, dh int
		if _, err := fmt.Sscanf(filepath.Base(file), "%dx%d-%dx%d.f32", &sw, &sh, &dw, &dh); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float32, len(data)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		got, want := resize(values[:sw*sh], sw, sh, dw, dh), values[sw*sh:]
		// Values are in [0,1]; four products and sums in float32 leave a few
		// units of 6e-8, weights near the coordinate's rounding a little more.
		for i := range want {
			if d := math.Abs(float64(got[i] - want[i])); d > 1e-6 {
				t.Errorf("%s: value %d is %v, want %v", filepath.Base(file), i, got[i], want[i])
				break
			}
		}
	}
}
