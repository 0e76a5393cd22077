package picture

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/declip/declip/internal/picture/jpeg"
)

// coefficientsGolden is testdata/coefficients/golden.json, made with libjpeg-turbo and Pillow by
// tools/golden/coefficients.py.
type coefficientsGolden struct {
	Files      map[string]coefficientsCase
	Quality100 map[string]coefficientsCase
}

type coefficientsCase struct {
	Format, Coefficients, Pixels string
	Height, Width                int
	Steps                        []uint16
}

func readCoefficients(t *testing.T) (g coefficientsGolden) {
	t.Helper()
	text, err := os.ReadFile("testdata/coefficients/golden.json")
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// check compares coefficients with libjpeg's.
func (c coefficientsCase) check(t *testing.T, got *Coefficients) {
	t.Helper()
	raw, err := binary.Append(nil, binary.LittleEndian, got.Values)
	if err != nil {
		t.Fatal(err)
	}
	if got.Height != c.Height || got.Width != c.Width || digest(raw) != c.Coefficients {
		t.Errorf("coefficients of %d x %d places differ from libjpeg's of %d x %d", got.Width, got.Height, c.Width, c.Height)
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Baseline, progressive, arithmetic and damaged files, with all layouts of components, against
// libjpeg's jpegtran.
func TestCoefficientsAsLibjpeg(t *testing.T) {
	for name, c := range readCoefficients(t).Files {
		t.Run(name, func(t *testing.T) {
			p, err := Open(filepath.Join("testdata", filepath.FromSlash(name)), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Coefficients(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.Format == "MPO" {
				if got != nil {
					t.Error("Pillow does not count a file of several pictures as JPEG")
				}
				return
			}
			if got == nil {
				t.Fatal("no coefficients")
			}
			c.check(t, got)
			if !slices.Equal(got.Steps[:], c.Steps) {
				t.Errorf("steps %v, expected %v", got.Steps, c.Steps)
			}
			// Kept while the pixels are decoded, they are the same, and so are the pixels.
			q, err := Open(filepath.Join("testdata", filepath.FromSlash(name)), Limits{Coefficients: true})
			if err != nil {
				t.Fatal(err)
			}
			if q.coefficients == nil || !reflect.DeepEqual(q.coefficients, got) || !slices.Equal(q.Pix, p.Pix) {
				t.Error("one pass over the file gives other coefficients or pixels than two")
			}
		})
	}
}

// Pixels and coefficients of a file of quality 100 are those of libjpeg-turbo, bit by bit.
func TestThroughJPEGAsPillow(t *testing.T) {
	for name, c := range readCoefficients(t).Quality100 {
		t.Run(name, func(t *testing.T) {
			p, err := Open(filepath.Join("testdata", filepath.FromSlash(name)), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Coefficients(t.Context()); got != nil || err != nil {
				t.Errorf("coefficients of a file that is not JPEG: %v, %v", got, err)
			}
			rgb, got, err := p.ThroughJPEG(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, got)
			if digest(rgb.Pix) != c.Pixels {
				t.Error("pixels differ from libjpeg's")
			}
			if got.Steps[0] != 1 || got.Steps[63] != 1 {
				t.Errorf("steps %v", got.Steps)
			}
		})
	}
}

// A file whose luma is smaller than the picture has no coefficients for every pixel.
func TestCoefficientsOfSmallLuma(t *testing.T) {
	data, err := os.ReadFile("testdata/golden/decode/444-64x48.jpg")
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(data, 0xc0)
	for data[at-1] != 0xff || data[at+9] != 1 {
		at += 1 + slices.Index(data[at+1:], 0xc0)
	}
	if data[at+13] != 0x11 { // sampling of the second component
		t.Fatalf("not a frame header: %x", data[at:at+18])
	}
	data[at+13] = 0x22
	f, err := jpeg.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Coefficients(t.Context()); !errors.Is(err, jpeg.ErrSubsampled) {
		t.Errorf("error %v", err)
	}
}

// Segments of the Multi-Picture Format that are damaged name no pictures.
func TestSeveralPictures(t *testing.T) {
	entry := func(tag, kind uint16, count, value uint32) []byte {
		e := binary.LittleEndian.AppendUint16(nil, tag)
		e = binary.LittleEndian.AppendUint16(e, kind)
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(e, count), value)
	}
	segment := func(pictures, size uint32, format byte) []byte {
		mpf := append([]byte("II*\x00\x08\x00\x00\x00\x02\x00"), entry(0xb001, 4, 1, pictures)...)
		mpf = append(mpf, entry(0xb002, 7, size, 38)...)
		mpf = append(mpf, 0, 0, 0, 0)
		list := [32]byte{3: format, 19: format}
		return append(mpf, list[:]...)
	}
	good := segment(2, 32, 0)
	if !severalPictures(good) {
		t.Error("two pictures are not seen")
	}
	for n := range good {
		if severalPictures(good[:n]) {
			t.Errorf("cut off after %d bytes, it names several pictures", n)
		}
	}
	for name, mpf := range map[string][]byte{
		"one picture": segment(1, 32, 0), "short list": segment(2, 16, 0), "long list": segment(2, 33, 0), "another format": segment(2, 32, 1), "none": nil,
	} {
		if severalPictures(mpf) {
			t.Errorf("%s: it names several pictures", name)
		}
	}
}
