package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/declip/declip/internal/parallel"
)

// DefaultMaxPixels is the limit on width times height that is used where none
// is given: 100 megapixels.
const DefaultMaxPixels = 100_000_000

// Limits bounds what a file may ask for.
type Limits struct {
	MaxPixels int64 // width times height; 0 means DefaultMaxPixels
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
	ErrFormat = errors.New("not a picture in a format that is read (JPEG, PNG, WebP, TIFF, BMP, GIF)")
	// ErrEmpty is in errors about files without a single byte.
	ErrEmpty = errors.New("file is empty")
	// ErrTruncated is in errors about files that end before the picture does.
	ErrTruncated = errors.New("file is truncated: it ends before the picture does")
)

// Picture is a picture as its file stores it.
type Picture struct {
	*RGB
	Format      string // jpeg, png, webp, tiff, bmp or gif
	Orientation int    // EXIF orientation 1 to 8; 1 where the file gives none. Pixels are not rotated
}

// New wraps pixels that come from no file: Format is empty and Orientation is 1.
func New(p *RGB) *Picture { return &Picture{RGB: p, Orientation: 1} }

// Open reads a picture file as Pillow's convert("RGB") would give it. Errors name
// the file; see Decode.
func Open(path string, limits Limits) (*Picture, error) {
	data, err := readFile(path, limits)
	if err != nil {
		return nil, err
	}
	d, err := Decode(data, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// OpenGray reads a picture file as Pillow's convert("L") would give it: the way
// masks are read. Errors name the file.
func OpenGray(path string, limits Limits) (*Gray, error) {
	data, err := readFile(path, limits)
	if err != nil {
		return nil, err
	}
	g, err := DecodeGray(data, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// Decode reads a picture out of the bytes of its file. The size in the header
// is checked against the limit before any pixel is decoded or memory for pixels
// is taken. Of a GIF it takes the first frame. Errors can be told with
// errors.Is: ErrTooLarge, ErrFormat, ErrEmpty, ErrTruncated.
func Decode(data []byte, limits Limits) (d *Picture, err error) {
	defer func() { err = damaged(err) }()
	defer parallel.Recover(&err)
	c, err := decodeChecked(data, limits)
	if err != nil {
		return nil, err
	}
	rgb := FromImage(c.image)
	if c.steps != nil {
		steps := *c.steps // the samples need not stay for their sake
		rgb.Steps = &steps
	}
	return &Picture{RGB: rgb, Format: c.format, Orientation: orientation(c.format, data)}, nil
}

// DecodeGray is Decode followed by the conversion of Pillow's convert("L").
func DecodeGray(data []byte, limits Limits) (g *Gray, err error) {
	defer func() { err = damaged(err) }()
	defer parallel.Recover(&err)
	c, err := decodeChecked(data, limits)
	if err != nil {
		return nil, err
	}
	if g, ok := c.image.(*image.Gray); ok {
		return packGray(g), nil
	}
	return FromImage(c.image).ToGray(), nil
}

// Header tells the format and the size in pixels from the file's first bytes,
// without decoding.
func Header(data []byte) (format string, width, height int, err error) {
	defer func() { err = damaged(err) }()
	defer parallel.Recover(&err)
	format, err = sniff(data)
	if err != nil {
		return "", 0, 0, err
	}
	c, err := config(format, data)
	if err != nil {
		return "", 0, 0, explain(format, err)
	}
	if c.Width <= 0 || c.Height <= 0 {
		return "", 0, 0, fmt.Errorf("%s: the header gives a size of %d x %d pixels", format, c.Width, c.Height)
	}
	return format, c.Width, c.Height, nil
}

// content is what a file holds.
type content struct {
	format string
	image  image.Image
	steps  *[64]uint16 // see RGB.Steps
}

func decodeChecked(data []byte, limits Limits) (c content, err error) {
	defer func() { err = damaged(err) }()
	defer parallel.Recover(&err)
	parallel.Point("decode")
	format, w, h, err := Header(data)
	if err != nil {
		return content{}, err
	}
	// Both factors are below 2^32, so their product may exceed int64 only
	// above 2^63: compare by division.
	if limit := limits.maxPixels(); int64(w) > limit/int64(h) {
		return content{}, fmt.Errorf("%w: %d x %d pixels (%.1f MP), the limit is %.1f MP",
			ErrTooLarge, w, h, float64(w)*float64(h)/1e6, float64(limit)/1e6)
	}
	c = content{format: format}
	if err := c.decode(data); err != nil {
		return content{}, explain(format, err)
	}
	if b := c.image.Bounds(); b.Dx() != w || b.Dy() != h {
		return content{}, fmt.Errorf("%s: the header says %d x %d pixels, the data %d x %d", format, w, h, b.Dx(), b.Dy())
	}
	return c, nil
}

// config reads the header. It must not take memory in proportion to the size
// that the header claims.
func config(format string, data []byte) (image.Config, error) {
	r := bytes.NewReader(data)
	switch format {
	case "jpeg":
		return jpegConfig(data)
	case "png":
		return pngConfig(data)
	case "gif":
		return gifConfig(data)
	case "webp":
		return webpConfig(data)
	case "tiff":
		return tiff.DecodeConfig(r)
	case "bmp":
		return bmp.DecodeConfig(r)
	}
	return image.Config{}, ErrFormat
}

// decode reads the pixels of a file of the content's format.
func (c *content) decode(data []byte) (err error) {
	switch c.format {
	case "jpeg":
		c.image, c.steps, err = decodeJPEG(data)
	case "png":
		c.image, err = decodePNG(data)
	case "gif":
		c.image, err = decodeGIF(data)
	case "webp":
		c.image, err = decodeWebP(data)
	case "tiff":
		c.image, err = decodeTIFF(data)
	case "bmp":
		c.image, err = bmp.Decode(bytes.NewReader(data))
	default:
		err = ErrFormat
	}
	return err
}

// explain puts the format before a decoder's error, once, and says plainly when
// the data ended early.
func explain(format string, err error) error {
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

// damaged replaces a decoder's panic by an error about the picture: a broken file must never end the program.
func damaged(err error) error {
	var p *parallel.PanicError
	if errors.As(err, &p) {
		return decoderPanic{p}
	}
	return err
}

// decoderPanic is a panic of a decoder. It keeps the stack for the log.
type decoderPanic struct{ panic *parallel.PanicError }

func (e decoderPanic) Error() string {
	return fmt.Sprintf("damaged picture: the decoder gave up (%v)", e.panic.Value)
}
func (e decoderPanic) Unwrap() error { return e.panic }

// readFile reads a regular file that could hold a picture within the limits.
func readFile(path string, limits Limits) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: opening a pipe waits for a writer
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s: is a folder, not a picture", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// 8 bytes a pixel is the most that an uncompressed format takes; the rest
	// leaves room for metadata.
	if most := 8*limits.maxPixels() + 64<<20; info.Size() > most {
		return nil, fmt.Errorf("%s: %w: the file has %d bytes, a picture within the limit at most %d", path, ErrTooLarge, info.Size(), most)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%s: reading: %w", path, err)
	}
	return data, nil
}
