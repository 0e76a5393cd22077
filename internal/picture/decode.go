package picture

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"strings"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture/bmp"
	"github.com/declip/declip/internal/picture/gif"
	"github.com/declip/declip/internal/picture/heif"
	"github.com/declip/declip/internal/picture/jp2"
	"github.com/declip/declip/internal/picture/jpeg"
	"github.com/declip/declip/internal/picture/jxl"
	"github.com/declip/declip/internal/picture/pnm"
	"github.com/declip/declip/internal/picture/raster"
	"github.com/declip/declip/internal/picture/tiff"
)

// DefaultMaxPixels is the limit on width times height that is used where none
// is given: 100 megapixels.
const DefaultMaxPixels = 100_000_000

// Limits bounds what a file may ask for.
type Limits struct {
	MaxPixels int64 // width times height; 0 means DefaultMaxPixels
	// Coefficients keeps those of JPEG files while their pixels are decoded, for
	// Picture.Coefficients, in 2 bytes a pixel. Otherwise that decodes the file once more.
	Coefficients bool
}

func (l Limits) maxPixels() int64 {
	if l.MaxPixels <= 0 {
		return DefaultMaxPixels
	}
	return l.MaxPixels
}

var (
	// ErrTooLarge is in errors about pictures above the limit.
	ErrTooLarge = errors.New("picture too large")
	// ErrFormat is in errors about data in none of the formats that are read.
	ErrFormat = errors.New("not a picture in a format that is read (JPEG, PNG, WebP, TIFF, BMP, GIF, PNM, HEIC, AVIF, JPEG 2000, JPEG XL)")
	// ErrEmpty is in errors about files without a single byte.
	ErrEmpty = errors.New("file is empty")
	// ErrTruncated is in errors about files that end before the picture does.
	ErrTruncated = errors.New("file is truncated: it ends before the picture does")
)

// Picture is a picture as its file stores it.
type Picture struct {
	*RGB
	Format      string // jpeg, png, webp, tiff, bmp, gif, pnm, heic, avif, jp2 or jxl
	Orientation int    // EXIF orientation 1 to 8; 1 where the file gives none. Pixels are not rotated
	// Warnings are sentences about damage that decoding passed over, about the choice among several
	// pictures of the file, and about a service that compressed the file again, if its header says
	// so. A file with nothing to say about has a nil slice.
	Warnings []string

	file         []byte        // of a JPEG picture, for its coefficients; nil for other formats
	coefficients *Coefficients // nil if they are not kept
	alpha        []uint8       // [Height, Width], see OverWhite; nil for opaque pictures
}

// New wraps pixels that come from no file: Format is empty and Orientation is 1.
func New(p *RGB) *Picture { return &Picture{RGB: p, Orientation: 1} }

// Open reads a picture file as Pillow's convert("RGB") would give it. Errors name
// the file; see Decode.
func Open(path string, limits Limits) (*Picture, error) {
	return OpenContext(context.Background(), path, limits)
}

// OpenContext is Open, but stops with the error of ctx soon after ctx has ended.
func OpenContext(ctx context.Context, path string, limits Limits) (*Picture, error) {
	data, err := readFile(path, limits)
	if err != nil {
		return nil, err
	}
	d, err := DecodeContext(ctx, data, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// OpenGray is OpenGrayContext without a context.
func OpenGray(path string, limits Limits) (*Gray, error) {
	return OpenGrayContext(context.Background(), path, limits)
}

// OpenGrayContext reads a picture file as Pillow's convert("L") would give it: the way
// masks are read. Errors name the file.
func OpenGrayContext(ctx context.Context, path string, limits Limits) (*Gray, error) {
	data, err := readFile(path, limits)
	if err != nil {
		return nil, err
	}
	g, err := DecodeGrayContext(ctx, data, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// Decode reads a picture from the bytes of its file. The size in the header is checked against the
// limit before any pixel is decoded or memory for pixels is taken. Of an animation it takes the
// first frame. Errors can be distinguished with errors.Is: ErrTooLarge, ErrFormat, ErrEmpty,
// ErrTruncated.
func Decode(data []byte, limits Limits) (*Picture, error) {
	return DecodeContext(context.Background(), data, limits)
}

// DecodeContext is Decode, but stops with the error of ctx soon after ctx has ended.
func DecodeContext(ctx context.Context, data []byte, limits Limits) (*Picture, error) {
	f, err := Inspect(data)
	if err != nil {
		return nil, err
	}
	return f.Decode(ctx, limits)
}

// DecodeGray is DecodeGrayContext without a context.
func DecodeGray(data []byte, limits Limits) (*Gray, error) {
	return DecodeGrayContext(context.Background(), data, limits)
}

// DecodeGrayContext is DecodeContext followed by the conversion of Pillow's convert("L").
func DecodeGrayContext(ctx context.Context, data []byte, limits Limits) (*Gray, error) {
	return guarded(func() (*Gray, error) {
		c, err := open(ctx, data, limits)
		if err != nil {
			return nil, err
		}
		switch m := c.image.(type) {
		case *image.Gray:
			return packGray(m), nil
		case *image.Gray16:
			return gray16(m), nil
		}
		rgb, err := FromImageContext(ctx, c.image)
		if err != nil {
			return nil, err
		}
		return rgb.ToGray(), nil
	})
}

// Header reads the format and the size in pixels from a file's header, without decoding.
func Header(data []byte) (format string, width, height int, err error) {
	f, err := Inspect(data)
	if err != nil {
		return "", 0, 0, err
	}
	return f.header.format, f.header.width, f.header.height, nil
}

// header is what a file says before its pixels.
type header struct {
	format        string
	width, height int
	jpeg          *jpeg.File // the file itself, of which decoding continues; nil for other formats
	turned        int        // EXIF orientation of the picture of a TIFF file that is used
}

// content is what a file holds.
type content struct {
	header
	image    image.Image
	steps    *[64]uint16 // see RGB.Steps
	warnings raster.Warnings

	coefficients *Coefficients // of a JPEG file, if they are kept
}

// readHeader takes no memory in proportion to the size that the header claims.
func readHeader(data []byte) (h header, err error) {
	if h.format, err = sniff(data); err != nil {
		return header{}, err
	}
	if err := h.readSize(data); err != nil {
		return header{}, explain(h.format, err)
	}
	if h.width <= 0 || h.height <= 0 {
		return header{}, fmt.Errorf("%s: the header gives a size of %d x %d pixels", h.format, h.width, h.height)
	}
	return h, nil
}

func (h *header) readSize(data []byte) (err error) {
	switch h.format {
	case "jpeg":
		if h.jpeg, err = jpeg.Open(data); err == nil {
			h.width, h.height = h.jpeg.Size()
		}
	case "png":
		h.width, h.height, err = pngSize(data)
	case "gif":
		h.width, h.height, err = gif.ReadSize(data)
	case "webp":
		h.width, h.height, err = webpSize(data)
	case "tiff":
		t, err := tiff.ReadHeader(data)
		h.width, h.height, h.turned = t.Width, t.Height, t.Orientation
		return err
	case "bmp":
		h.width, h.height, err = bmp.ReadSize(data)
	case "pnm":
		h.width, h.height, err = pnm.ReadSize(data)
	case "heic", "avif":
		h.width, h.height, err = heif.ReadSize(data)
	case "jp2":
		h.width, h.height, err = jp2.ReadSize(data)
	case "jxl":
		h.width, h.height, err = jxl.ReadSize(data)
	}
	return err
}

// open reads the header and decodes.
func open(ctx context.Context, data []byte, limits Limits) (content, error) {
	h, err := readHeader(data)
	if err != nil {
		return content{}, err
	}
	return h.decode(ctx, data, limits)
}

// decode checks the header against the limits and continues with the pixels.
func (h header) decode(ctx context.Context, data []byte, limits Limits) (content, error) {
	parallel.Point("decode")
	c := content{header: h}
	// Both factors are below 2^32, so their product may exceed int64 only above 2^63: compare by
	// division.
	width, height := c.width, c.height
	if limit := limits.maxPixels(); int64(width) > limit/int64(height) {
		return content{}, fmt.Errorf("%w: %d x %d pixels (%.1f MP), the limit is %.1f MP",
			ErrTooLarge, width, height, float64(width)*float64(height)/1e6, float64(limit)/1e6)
	}
	if err := c.readPixels(ctx, data, limits.Coefficients); err != nil {
		return content{}, explain(c.format, err)
	}
	if b := c.image.Bounds(); b.Dx() != width || b.Dy() != height {
		return content{}, fmt.Errorf("%s: the header says %d x %d pixels, the data %d x %d", c.format, width, height, b.Dx(), b.Dy())
	}
	return c, nil
}

// readPixels decodes the picture; keep says to keep the coefficients of a JPEG file.
func (c *content) readPixels(ctx context.Context, data []byte, keep bool) (err error) {
	var m *raster.Image
	switch c.format {
	case "jpeg":
		return c.readJPEG(ctx, keep)
	case "png":
		c.image, c.warnings, err = decodePNG(ctx, data)
		return err
	case "webp":
		c.image, c.warnings, err = decodeWebP(ctx, data)
		return err
	case "gif":
		m, err = gif.Decode(ctx, data)
	case "tiff":
		m, err = tiff.Decode(ctx, data, new(stripDecoder).decode)
	case "bmp":
		m, err = bmp.Decode(ctx, data)
	case "pnm":
		m, err = pnm.Decode(ctx, data)
	case "heic", "avif":
		m, err = heif.Decode(ctx, data)
	case "jp2":
		m, err = jp2.Decode(ctx, data)
	case "jxl":
		m, err = jxl.Decode(ctx, data)
	}
	if err != nil {
		return err
	}
	c.image, c.warnings = fromRaster(m), m.Warnings
	return nil
}

// fromRaster gives *image.Gray or *RGB with the same memory.
func fromRaster(m *raster.Image) image.Image {
	if m.Channels == 1 {
		return &image.Gray{Pix: m.Pix, Stride: m.Width, Rect: image.Rect(0, 0, m.Width, m.Height)}
	}
	return &RGB{Pix: m.Pix, Width: m.Width, Height: m.Height}
}

// explain puts the format before a decoder's error, once, and names a file that ends early as such.
func explain(format string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, ErrFormat) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrTooLarge) {
		return fmt.Errorf("%s: %w", format, err)
	}
	if endsEarly(err) {
		return fmt.Errorf("%s: %w", format, ErrTruncated)
	}
	return fmt.Errorf("%s: cannot be decoded: %w", format, withoutPrefix{err, format + ": "})
}

// withoutPrefix is an error whose text loses what has been said before.
type withoutPrefix struct {
	error
	prefix string
}

func (e withoutPrefix) Error() string { return strings.TrimPrefix(e.error.Error(), e.prefix) }
func (e withoutPrefix) Unwrap() error { return e.error }

// guarded runs a decoder and turns a panic into an error about the picture: a broken file must
// never end the program.
func guarded[T any](f func() (T, error)) (value T, err error) {
	err = parallel.Catch(func() (err error) {
		value, err = f()
		return err
	})
	var p *parallel.PanicError
	if errors.As(err, &p) {
		return value, decoderPanic{p}
	}
	return value, err
}

// decoderPanic is a panic of a decoder. It keeps the stack for the log.
type decoderPanic struct{ panic *parallel.PanicError }

func (e decoderPanic) Error() string {
	return fmt.Sprintf("damaged picture: the decoder gave up (%v)", e.panic.Value)
}
func (e decoderPanic) Unwrap() error { return e.panic }

// ReadContext is DecodeContext for a stream, of which it reads no more than a picture within the
// limits has.
func ReadContext(ctx context.Context, r io.Reader, limits Limits) (*Picture, error) {
	most := limits.maxBytes()
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%w: more than %d bytes, which a picture within the limit does not have", ErrTooLarge, most)
	}
	return DecodeContext(ctx, data, limits)
}

// maxBytes is the most that the file of a picture within the limits has. 8 bytes a pixel is the
// most that an uncompressed format takes; the rest leaves room for metadata.
func (l Limits) maxBytes() int64 { return 8*l.maxPixels() + 64<<20 }

// readFile reads a regular file that could hold a picture within the limits.
func readFile(path string, limits Limits) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: opening a pipe waits for a writer
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s: is a directory, not a picture", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if most := limits.maxBytes(); info.Size() > most {
		return nil, fmt.Errorf("%s: %w: the file has %d bytes, a picture within the limit at most %d", path, ErrTooLarge, info.Size(), most)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%s: reading: %w", path, err)
	}
	return data, nil
}
