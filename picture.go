package declip

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"io"

	"github.com/declip/declip/internal/picture"
)

// Picture is a decoded picture file: 8-bit RGB samples on the file's own pixel
// grid, and what the file says about them. It is an image.Image.
type Picture struct {
	picture *picture.Picture
}

// DecodeOptions bound what Decode and DecodeFile accept. The zero value is the
// usual choice.
type DecodeOptions struct {
	// MaxPixels (width times height) above which a file is refused by its
	// header, before it is decoded; 0 means DefaultMaxPixels.
	MaxPixels int64
}

// Decode reads the bytes of a picture file: JPEG, PNG, WebP, HEIC, AVIF, JPEG 2000,
// JPEG XL, TIFF, BMP, PNM, or the first frame of a GIF. JPEG samples are those of
// libjpeg to the bit.
// Errors wrap ErrFormat, ErrTooLarge or ErrTruncated where these apply.
func Decode(r io.Reader, o DecodeOptions) (*Picture, error) {
	p, err := decode(context.Background(), r, picture.Limits{MaxPixels: o.MaxPixels})
	if err != nil {
		return nil, err
	}
	return &Picture{p}, nil
}

// DecodeFile is Decode for a file. Errors name it.
func DecodeFile(path string, o DecodeOptions) (*Picture, error) {
	p, err := picture.Open(path, picture.Limits{MaxPixels: o.MaxPixels})
	if err != nil {
		return nil, err
	}
	return &Picture{p}, nil
}

func decode(ctx context.Context, r io.Reader, limits picture.Limits) (*picture.Picture, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the picture: %w", err)
	}
	return picture.DecodeContext(ctx, data, limits)
}

// toPicture takes decoded pictures as they are and converts other images.
func toPicture(ctx context.Context, img image.Image) (*picture.Picture, error) {
	switch p := img.(type) {
	case *Picture:
		return p.picture, nil
	case *picture.Picture: // from package evaluation
		return p, nil
	}
	rgb, err := picture.FromImageContext(ctx, img)
	if err != nil {
		return nil, err
	}
	return picture.New(rgb), nil
}

// Format of the file: jpeg, png, webp, tiff, bmp, gif, pnm, heic, avif, jp2 or jxl.
func (p *Picture) Format() string { return p.picture.Format }

// Orientation is the file's EXIF orientation, 1 to 8; 1 where the file gives none.
// The pixels are not rotated.
func (p *Picture) Orientation() int { return p.picture.Orientation }

// Warnings are sentences about damage of the file that decoding passed over, and about the choice
// among several pictures of the file.
func (p *Picture) Warnings() []string { return p.picture.Warnings }

// ColorModel is part of image.Image.
func (p *Picture) ColorModel() color.Model { return p.picture.ColorModel() }

// Bounds is part of image.Image; it starts at (0, 0).
func (p *Picture) Bounds() image.Rectangle { return p.picture.Bounds() }

// At is part of image.Image; outside the picture it is transparent black.
func (p *Picture) At(x, y int) color.Color { return p.picture.At(x, y) }

// Opaque reports that there is no transparency; encoders ask for it.
func (p *Picture) Opaque() bool { return true }
