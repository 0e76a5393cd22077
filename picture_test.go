package declip

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/picture"
)

// rounded is a picture that was saved as JPEG, got an area from elsewhere, and was saved again:
// what the detector "double-jpeg" looks for, if it knows the file's quantisation steps.
func rounded(t *testing.T) []byte {
	t.Helper()
	detail := func(seed uint64) *picture.RGB {
		r := rand.New(rand.NewPCG(seed, 1))
		p := picture.NewRGB(400, 320)
		for i := range p.Pix {
			v := 125 + 30*math.Sin(float64(i/3%400)/float64(5+seed)) + 30*math.Sin(float64(i/1200)/11) + 6*r.NormFloat64()
			p.Pix[i] = uint8(min(max(v, 1), 254))
		}
		return p
	}
	first, _, err := picture.ThroughJPEG(detail(1), 70)
	if err != nil {
		t.Fatal(err)
	}
	p, other := first.Clone(), detail(2)
	for y := 120; y < 216; y++ {
		copy(p.Pix[3*(y*400+160):][:3*104], other.Pix[3*(y*400+160):])
	}
	file, err := picture.EncodeJPEG(p, 92)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// A picture from Decode or DecodeFile gets the same map as its file; one from image/jpeg has lost
// the quantisation steps that a detector needs.
func TestDecodedPicturesGetTheFilesMap(t *testing.T) {
	spec := tiled
	spec.Detectors = []string{"double-jpeg"}
	m := openModel(t, spec, Options{})
	file := rounded(t)
	path := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := m.LocalizeFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := Decode(bytes.NewReader(file), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := DecodeFile(path, DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		img  image.Image
		same bool
	}{"Decode": {read, true}, "DecodeFile": {opened, true}, "image/jpeg": {plain, false}} {
		r, err := m.Localize(t.Context(), c.img)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(r.Prob, want.Prob) != c.same {
			t.Errorf("%s: the map equals the file's: %v, expected %v", name, !c.same, c.same)
		}
		if format := map[bool]string{true: "jpeg"}[c.same]; r.Format != format {
			t.Errorf("%s: format %q, expected %q", name, r.Format, format)
		}
	}
	if read.Bounds() != image.Rect(0, 0, 400, 320) || read.Orientation() != 1 || read.Format() != "jpeg" || !read.Opaque() {
		t.Errorf("decoded as %v, orientation %d, format %s", read.Bounds(), read.Orientation(), read.Format())
	}
}

func TestDecodeRefuses(t *testing.T) {
	file := encodePNG(t, noise(20, 10))
	for name, c := range map[string]struct {
		data []byte
		max  int64
		want error
	}{
		"too many pixels": {file, 199, ErrTooLarge},
		"cut off":         {file[:len(file)/2], 0, ErrTruncated},
		"text":            {[]byte("no picture"), 0, ErrFormat},
	} {
		if p, err := Decode(bytes.NewReader(c.data), DecodeOptions{MaxPixels: c.max}); !errors.Is(err, c.want) || p != nil {
			t.Errorf("%s: got %v and error %v, expected %v", name, p, err, c.want)
		}
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := DecodeFile(path, DecodeOptions{MaxPixels: c.max}); !errors.Is(err, c.want) || p != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v and error %v, expected %v with the path", name, p, err, c.want)
		}
	}
	if p, err := Decode(iotest.ErrReader(io.ErrClosedPipe), DecodeOptions{}); !errors.Is(err, io.ErrClosedPipe) || p != nil {
		t.Errorf("got %v and error %v, expected the reader's", p, err)
	}
}

// A model that names a detector that this version lacks is refused with the names of those there
// are.
func TestUnknownDetector(t *testing.T) {
	spec := tiled
	spec.Detectors = []string{"tea-leaves"}
	path := writeModel(t, spec)
	m, err := Open(path, Options{Library: enginetest.Library(t), Device: "cpu"})
	if err == nil {
		m.Close()
		t.Fatal("the model was opened")
	}
	for _, want := range []string{path, `unknown detector "tea-leaves"`, "double-jpeg, copies"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}
