package picture

import (
	"context"
	"fmt"
	"image"
)

// Stored is a picture with the samples of its file, before any conversion to 8-bit RGB: palettes,
// 16-bit samples and alpha are kept. Masks are read from it, because label numbers do not survive
// the conversion.
type Stored struct {
	Image  image.Image
	Format string // as in Picture
	Lossy  bool   // samples are rounded, so equal values in the original may differ here
}

// OpenStored reads a picture file without converting its samples. It stops with the error of
// ctx soon after ctx has ended. Other errors are those of Open.
func OpenStored(ctx context.Context, path string, limits Limits) (*Stored, error) {
	data, err := readFile(path, limits)
	if err != nil {
		return nil, err
	}
	s, err := guarded(func() (*Stored, error) { return decodeStored(ctx, data, limits) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// DecodeStored is OpenStored for the bytes of a file. Errors are those of Decode.
func DecodeStored(ctx context.Context, data []byte, limits Limits) (*Stored, error) {
	return guarded(func() (*Stored, error) { return decodeStored(ctx, data, limits) })
}

func decodeStored(ctx context.Context, data []byte, limits Limits) (*Stored, error) {
	c, err := open(ctx, data, limits)
	if err != nil {
		return nil, err
	}
	s := &Stored{Image: c.image, Format: c.format}
	switch c.format {
	case "jpeg", "heic", "avif", "jp2", "jxl":
		// The last two may be lossless, but their headers do not say so.
		s.Lossy = true
	case "webp":
		s.Lossy = webpChunk(data, "VP8 ") != nil
	}
	return s, nil
}
