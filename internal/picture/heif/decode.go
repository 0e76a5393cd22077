package heif

import (
	"context"
	_ "embed" // the decoders
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/declip/declip/internal/picture/raster"
	"github.com/declip/declip/internal/picture/sandbox"
)

//go:embed heif.wasm.gz
var heicCode []byte

//go:embed avif.wasm.gz
var avifCode []byte

var heicModule, avifModule = sandbox.New(heicCode), sandbox.New(avifCode)

func moduleOf(data []byte) *sandbox.Module {
	if Kind(data) == "avif" {
		return avifModule
	}
	return heicModule
}

var errDecode = errors.New("the decoder cannot read the picture data")

// timeLimit bounds the time for a picture: ten times what it takes on one core of 2020.
func timeLimit(h header) time.Duration {
	megapixels := float64(h.stored[0]) * float64(h.stored[1]) / 1e6
	return 20*time.Second + time.Duration(megapixels*float64(8*time.Second))
}

// limits bounds what a decoder may use for a file.
func limits(data []byte, h header) sandbox.Limits {
	return sandbox.Limits{Work: budget(Kind(data), h.stored[0]*h.stored[1], len(data)), Memory: sandbox.MaxMemory}
}

// budget is how many passes of loops the decoder may make for a picture. It is at least twice what
// pictures take: up to 39 for a pixel, 40 for a byte of AVIF and 15 for one of HEIC, and 2 million
// for each tile. A core of 2020 makes 75 to 175 million passes in a second, fewest in smooth
// pictures. Files of 12 megapixels that never end were stopped after 5 to 9 seconds of a core
// (930 to 990 million), where honest ones of that size take 2 to 4.
func budget(kind string, pixels, size int) int64 {
	perByte := int64(40)
	if kind == "avif" {
		perByte = 80
	}
	return 50e6 + 72*int64(pixels) + perByte*int64(size)
}

var running = make(sandbox.Places, 2)

// Decode decodes the primary picture of a HEIC or AVIF file. It ends when ctx ends. At most two run
// at once; others wait.
func Decode(ctx context.Context, data []byte) (*raster.Image, error) {
	h, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	return sandbox.Within(ctx, running, timeLimit(h), func(ctx context.Context) (*raster.Image, error) {
		if Kind(data) == "avif" {
			return decodeAVIF(ctx, data, h)
		}
		if m, err := decodeGrid(ctx, data, h); !errors.Is(err, errOtherGrid) {
			return m, err
		}
		return decodeHEIC(ctx, data, h, limits(data, h))
	})
}

// Colours of libheif's interface (heif.h).
const (
	colourYCbCr, colourRGB, colourGrey = 0, 1, 2
	chroma420, chroma422, chroma444    = 1, 2, 3
)

// align is what libheif rounds the length of rows up to.
func align(n int) int { return (n + 15) &^ 15 }

// infoFields is the room for what a decoder says about a picture, in numbers of 32 bits.
const infoFields = 6

// decoding is a run of a decoder over one file. Both modules export decode with the file, a flag
// that asks for the information only, places for the information, and a place for the pixels.
type decoding struct {
	*sandbox.Run
	in   []uint64 // arguments before the flag: place and length of the file
	more []uint64 // arguments between the flag and the information
	info uint64
}

// start puts a file into a decoder. more are arguments between the flag and the information.
func start(ctx context.Context, m *sandbox.Module, data []byte, use sandbox.Limits, more ...uint64) (*decoding, error) {
	run, err := m.Start(ctx, use)
	if err != nil {
		return nil, err
	}
	in, err := run.Put(data)
	if err == nil {
		var info uint64
		if info, err = run.Allocate(4 * infoFields); err == nil {
			return &decoding{Run: run, in: []uint64{in, uint64(len(data))}, more: more, info: info}, nil
		}
	}
	run.Close()
	return nil, err
}

func (d *decoding) decode(only, out uint64) error {
	args := slices.Concat(d.in, []uint64{only}, d.more,
		[]uint64{d.info, d.info + 4, d.info + 8, d.info + 12, d.info + 16, out})
	ok, err := d.Call("decode", args...)
	if err == nil && ok == 0 {
		err = errDecode
	}
	return err
}

// read returns the first numbers of the information: width, height and two that depend on the
// decoder.
func (d *decoding) read() ([]uint32, error) {
	if err := d.decode(1, 0); err != nil {
		return nil, err
	}
	return d.Numbers(d.info, 4)
}

// pixels decodes n bytes of samples.
func (d *decoding) pixels(n int) ([]byte, error) {
	out, err := d.Allocate(n)
	if err != nil {
		return nil, err
	}
	if err := d.decode(0, out); err != nil {
		return nil, err
	}
	return d.Bytes(out, n)
}

func decodeHEIC(ctx context.Context, data []byte, h header, use sandbox.Limits) (*raster.Image, error) {
	d, err := start(ctx, heicModule, data, use)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	v, err := d.read()
	if err != nil {
		return nil, err
	}
	if int(v[0]) != h.width || int(v[1]) != h.height {
		return nil, fmt.Errorf("the header says %d x %d pixels, the data %d x %d", h.width, h.height, v[0], v[1])
	}
	grey := v[2] == colourYCbCr && v[3] == 0
	if grey {
		if v, err = d.addChroma(data); err != nil {
			return nil, err
		}
	}
	p := newPlanes(h, int(v[2]), int(v[3]))
	if p == nil {
		return nil, fmt.Errorf("colours of kind %d, chroma of kind %d", v[2], v[3])
	}
	b, err := d.pixels(p.size)
	if err != nil {
		return nil, err
	}
	if grey {
		p.colour = colourGrey // the luma plane comes first
	}
	return p.convert(ctx, b)
}

// addChroma makes the decoder's copy of a file declare chroma of 4:2:0, and reads the information
// again. libheif cannot give a picture without chroma as such, but it adds grey chroma to it.
func (d *decoding) addChroma(data []byte) ([]uint32, error) {
	all, err := allProperties(data)
	if err != nil {
		return nil, err
	}
	const chromaFormat = 16 // place in the configuration of HEVC (ISO/IEC 14496-15, 8.3.3.1.2)
	for _, p := range all {
		if p.kind != "hvcC" || len(p.body) <= chromaFormat || p.body[chromaFormat]&3 != 0 {
			continue
		}
		at := cap(data) - cap(p.body) + chromaFormat
		if err := d.Write(d.in[0]+uint64(at), []byte{p.body[chromaFormat] | chroma420}); err != nil {
			return nil, err
		}
	}
	return d.read()
}

func decodeAVIF(ctx context.Context, data []byte, h header) (*raster.Image, error) {
	d, err := start(ctx, avifModule, data, limits(data, h), 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	v, err := d.read()
	if err != nil {
		return nil, err
	}
	if int(v[0]) != h.stored[0] || int(v[1]) != h.stored[1] {
		return nil, fmt.Errorf("the header says %d x %d pixels, the data %d x %d", h.stored[0], h.stored[1], v[0], v[1])
	}
	sample := 1
	if v[2] > 8 {
		sample = 2
	}
	size := 4 * sample * h.stored[0] * h.stored[1]
	b, err := d.pixels(size)
	if err != nil {
		return nil, err
	}
	watch := raster.NewWatch(ctx)
	m, err := fromRGBA(watch, b, h.stored[0], h.stored[1], sample)
	if err != nil {
		return nil, err
	}
	if v[3] > 1 {
		m.Warn("the picture is animated; the first frame is used")
	}
	for _, t := range h.transforms {
		if m, err = transform(watch, m, t); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// fromRGBA takes back the multiplication by alpha and drops it. Samples have one byte or two, of
// which the high one is taken; it comes second.
func fromRGBA(watch *raster.Watch, b []byte, width, height, sample int) (*raster.Image, error) {
	m := raster.New(width, height, 3)
	high := sample - 1
	for i := range width * height {
		if err := watch.Spend(1); err != nil {
			return nil, err
		}
		px := b[4*sample*i:]
		alpha := int(px[3*sample+high])
		for c := range 3 {
			v := int(px[c*sample+high])
			if alpha > 0 && alpha < 255 {
				v = min((v*255+alpha/2)/alpha, 255)
			}
			m.Pix[3*i+c] = uint8(v)
		}
	}
	return m, nil
}

// transform applies a rotation, a mirroring or a cropping (ISO/IEC 23008-12, 6.5).
func transform(watch *raster.Watch, m *raster.Image, p property) (*raster.Image, error) {
	if len(p.body) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	w, h := m.Width, m.Height
	switch p.kind {
	case "irot": // anticlockwise
		switch p.body[0] & 3 {
		case 1:
			return remap(watch, m, h, w, func(x, y int) (int, int) { return w - 1 - y, x })
		case 2:
			return remap(watch, m, w, h, func(x, y int) (int, int) { return w - 1 - x, h - 1 - y })
		case 3:
			return remap(watch, m, h, w, func(x, y int) (int, int) { return y, h - 1 - x })
		}
		return m, nil
	case "imir":
		if p.body[0]&1 == 0 {
			return remap(watch, m, w, h, func(x, y int) (int, int) { return x, h - 1 - y })
		}
		return remap(watch, m, w, h, func(x, y int) (int, int) { return w - 1 - x, y })
	}
	f := fields{b: p.body}
	var n [8]int64
	for i := range n {
		n[i] = int64(int32(f.uint(4)))
	}
	if f.short || n[1] <= 0 || n[3] <= 0 || n[5] <= 0 || n[7] <= 0 {
		return nil, errors.New("damaged cropping")
	}
	cw, ch := int(n[0]/n[1]), int(n[2]/n[3])
	left, top := int(n[4]/n[5])+(w-cw)/2, int(n[6]/n[7])+(h-ch)/2
	if cw < 1 || ch < 1 || left < 0 || top < 0 || left+cw > w || top+ch > h {
		return nil, errors.New("cropping beyond the picture")
	}
	return remap(watch, m, cw, ch, func(x, y int) (int, int) { return left + x, top + y })
}

// remap makes a picture of w x h pixels, each of which is the pixel of m at from(x, y).
func remap(watch *raster.Watch, m *raster.Image, w, h int, from func(x, y int) (int, int)) (*raster.Image, error) {
	out := raster.New(w, h, m.Channels)
	out.Warnings = m.Warnings
	n := m.Channels
	for y := range h {
		if err := watch.Spend(w); err != nil {
			return nil, err
		}
		row := out.Row(y)
		for x := range w {
			fx, fy := from(x, y)
			copy(row[n*x:n*x+n], m.Row(fy)[n*fx:])
		}
	}
	return out, nil
}
