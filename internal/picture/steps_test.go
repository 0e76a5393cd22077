package picture

import (
	"bytes"
	"image"
	"image/jpeg"
	"slices"
	"testing"

	jpegfile "github.com/declip/declip/internal/picture/jpeg"
)

// The tables of quality 50 are those of ITU-T T.81, K.1, row by row.
func TestSteps(t *testing.T) {
	p := NewRGB(24, 16)
	for i := range p.Pix {
		p.Pix[i] = uint8(5 * i)
	}
	file, err := EncodeJPEG(p, 50)
	if err != nil {
		t.Fatal(err)
	}
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 24, 16)), &jpeg.Options{Quality: 50}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"colour": file, "grey": grey.Bytes()} {
		d, err := Decode(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Steps == nil || !slices.Equal(d.Steps[:10], []uint16{16, 11, 10, 16, 24, 40, 51, 61, 12, 12}) || d.Steps[63] != 99 {
			t.Errorf("%s: steps %v", name, d.Steps)
		}
		if d.Clone().Steps != nil || Resize(d.RGB, 12, 8).Steps != nil {
			t.Errorf("%s: a picture that may be changed, or was, has the file's steps", name)
		}
	}
	// Behind the first two bytes: Adobe's segment, which says that red, green and blue are stored.
	adobe := append([]byte{0xff, 0xee, 0, 14}, "Adobe\x00\x64\x00\x00\x00\x00\x00"...)
	rgb := slices.Concat(file[:2], adobe, file[2:])
	if d, err := Decode(rgb, Limits{}); err != nil || d.Steps != nil {
		t.Errorf("steps of red are taken for the luma's: %v, %v", d.Steps, err)
	}
	for n := range file {
		if f, err := jpegfile.Open(file[:n]); err == nil { // wherever it is cut off, there is no panic
			c := content{header: header{jpeg: f}}
			_ = c.readJPEG(t.Context(), n%2 == 0)
		}
	}
	png, err := EncodePNG(p, Fast)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := Decode(png, Limits{}); err != nil || d.Steps != nil {
		t.Errorf("PNG: steps %v, %v", d.Steps, err)
	}
}
