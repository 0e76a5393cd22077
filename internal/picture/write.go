package picture

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"

	"github.com/declip/declip/internal/files"
)

// WritePNG writes a picture atomically: to a temporary file in the same directory, which is then
// renamed. *RGB and *Gray are encoded fast; see EncodePNG.
func WritePNG(path string, m image.Image) error {
	pieces, err := encodePieces(context.Background(), m, Fast)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return files.Write(path, func(w io.Writer) error {
		for _, p := range pieces {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		return nil
	})
}

// WriteJPEG is WritePNG for JPEG; see EncodeJPEG.
func WriteJPEG(path string, p *RGB, quality int) error {
	data, err := EncodeJPEG(p, quality)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return WriteFile(path, data)
}

// ThroughJPEG encodes a picture with EncodeJPEG and decodes the result. It returns the decoded
// picture, which has the coefficients of the file, and the file.
func ThroughJPEG(p *RGB, quality int) (*Picture, []byte, error) {
	file, err := EncodeJPEG(p, quality)
	if err != nil {
		return nil, nil, err
	}
	d, err := Decode(file, Limits{MaxPixels: math.MaxInt64})
	if err != nil {
		return nil, nil, fmt.Errorf("read back jpeg: %w", err)
	}
	return d, file, nil
}

// EncodeJPEG gives the bytes of a baseline 4:2:0 JPEG; quality is 1 to 100 as
// in libjpeg. A picture with a side above 65535 pixels is an error.
func EncodeJPEG(p *RGB, quality int) ([]byte, error) {
	if quality < 1 || quality > 100 {
		return nil, fmt.Errorf("jpeg quality is %d, want 1 to 100", quality)
	}
	// image/jpeg is fast for its own types only.
	m := image.NewRGBA(p.Bounds())
	for i, j := 0, 0; j+2 < len(p.Pix); i, j = i+4, j+3 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = p.Pix[j], p.Pix[j+1], p.Pix[j+2], 255
	}
	var b bytes.Buffer
	b.Grow(len(p.Pix) / 8)
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteFile writes data to a temporary file in path's directory and renames it, so
// that nothing half-written is ever found under path. Errors name the file.
func WriteFile(path string, data []byte) error {
	return files.WriteBytes(path, data)
}
