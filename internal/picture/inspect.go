package picture

import (
	"context"
	"errors"

	"github.com/declip/declip/internal/picture/sandbox"
)

// File is a picture file of which the header has been read.
type File struct {
	data    []byte
	header  header
	decoded bool
}

// Inspect reads a file's header. It takes no memory in proportion to the size in the header.
// Errors are those of Decode. The file keeps data.
func Inspect(data []byte) (*File, error) {
	h, err := guarded(func() (header, error) { return readHeader(data) })
	if err != nil {
		return nil, err
	}
	return &File{data: data, header: h}, nil
}

// Size is the size in pixels.
func (f *File) Size() (width, height int) { return f.header.width, f.header.height }

// Extra is the most memory, in bytes, that decoding may take in addition to that in proportion to
// the size in the header. The decoders in the sandbox are not held to the header.
func (f *File) Extra() int64 {
	switch f.header.format {
	case "heic", "avif", "jp2", "jxl":
		return sandbox.MaxMemory
	}
	return 0
}

var errDecoded = errors.New("the picture has been decoded before")

// Decode is DecodeContext without reading the header again. It can be called once.
func (f *File) Decode(ctx context.Context, limits Limits) (*Picture, error) {
	if f.decoded {
		return nil, errDecoded
	}
	f.decoded = true
	return guarded(func() (*Picture, error) {
		c, err := f.header.decode(ctx, f.data, limits)
		if err != nil {
			return nil, err
		}
		rgb, err := FromImageContext(ctx, c.image)
		if err != nil {
			return nil, err
		}
		if c.steps != nil {
			steps := *c.steps // a copy, so that the samples can be freed
			rgb.Steps = &steps
		}
		p := &Picture{RGB: rgb, Format: c.format, Orientation: c.orientation(f.data), Warnings: c.warnings}
		if text := f.header.recompressed(); text != "" {
			p.Warnings = append(p.Warnings, text)
		}
		if c.format == "jpeg" {
			p.file, p.coefficients = f.data, c.coefficients
		}
		p.alpha = alphaOf(c.image)
		return p, nil
	})
}
