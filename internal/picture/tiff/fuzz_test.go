package tiff

import (
	"context"
	"testing"

	"github.com/declip/declip/internal/picture/raster"
	"github.com/declip/declip/internal/picture/rastertest"
)

// Callers compare the size in the header with their limit; Decode must not find another one.
func FuzzDecode(f *testing.F) {
	rastertest.AddSeeds(f, "cases/tiff/*.tif", "cases/tiff/*.dng", "cases/variants/*.tif", "golden/decode/*.tiff")
	rastertest.Reader{
		ReadSize: func(data []byte) (width, height int, err error) {
			h, err := ReadHeader(data)
			return h.Width, h.Height, err
		},
		Decode: func(ctx context.Context, data []byte) (*raster.Image, error) { return Decode(ctx, data, noJPEG) },
	}.FuzzDecode(f)
}

// noJPEG replaces the decoder of JPEG streams, which has tests of its own.
func noJPEG(_ context.Context, _ []byte, width, height int, _ bool) (*raster.Image, error) {
	return raster.New(width, height, 3), nil
}
