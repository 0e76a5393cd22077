package jpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/declip/declip/internal/picture/raster"
)

// Picture is a decoded file.
type Picture struct {
	Width, Height int
	Planes        []Plane // 1, 3 or 4, in the file's order
	// Adobe is the transform byte of Adobe's segment, -1 if there is none: 0 says that colours are
	// stored as they are.
	Adobe int
	JFIF  bool // there is a JFIF segment
	// Warnings says what is wrong with a file that was decoded all the same, as libjpeg does.
	raster.Warnings
}

// Plane holds the samples of one component.
type Plane struct {
	ID     byte
	Pix    []uint8
	Stride int // from one row to the next; rows continue after Width to the end of the last block
	// Width and Height are the real samples: the picture's size divided by the ratios, rounded up.
	Width, Height int
	// Horizontal and Vertical are how many of the picture's pixels share a sample.
	Horizontal, Vertical int
	// Steps are those of the quantised coefficients, one for each frequency of an 8 x 8 block, row
	// by row.
	Steps [64]uint16
}

// maxScans is the largest number of scans of a file; progressive encoders write about ten.
const maxScans = 200

// Markers that are handled.
const (
	markSOF0, markSOF1, markSOF2 = 0xc0, 0xc1, 0xc2
	markSOF9, markSOF10, markDAC = 0xc9, 0xca, 0xcc
	markDHT                      = 0xc4
	markRST0                     = 0xd0
	markSOI, markEOI             = 0xd8, 0xd9
	markSOS, markDQT             = 0xda, 0xdb
	markDNL, markDRI             = 0xdc, 0xdd
	markAPP0, markAPP1           = 0xe0, 0xe1
	markAPP2                     = 0xe2
	markAPP13, markAPP14         = 0xed, 0xee
	markCOM                      = 0xfe
	markTEM                      = 0x01
)

// What begins an EXIF segment, one of the Multi-Picture Format (CIPA DC-007), and one with
// Photoshop's image resources.
var (
	exifStart      = []byte("Exif\x00\x00")
	mpfStart       = []byte("MPF\x00")
	photoshopStart = []byte("Photoshop 3.0\x00")
)

// decoder is a file being read.
type decoder struct {
	data         []byte
	exif         []byte // see File.EXIF
	mpf          []byte // see File.MPF
	comment      []byte // see File.Comment
	resources    []byte // see File.Resources
	at           int    // next byte
	picture      Picture
	progressive  bool
	components   []component
	maxH, maxV   int            // largest sampling factors
	mcusX, mcusY int            // minimum coded units in a row, and rows of them
	quant        [4]*[64]int32  // in the order of the file (zigzag)
	huffman      [2][4]*huffman // for DC, and for AC
	interval     int            // of restarts in MCUs, 0: none
	scans        int
	tables       bool // the file has Huffman tables
	arithmetic   bool // coded arithmetically
	conditioning conditioning
	ctx          context.Context // of Decode
	coefficients bool            // only those of the first component are wanted
	keep         bool            // those of the first component are wanted, too
	work         int64           // blocks of the scans so far, see maxWork
	budget       *Budget         // shared with other streams, or nil
}

// Decode is Open and File.Decode.
func Decode(data []byte) (*Picture, error) {
	f, err := Open(data)
	if err != nil {
		return nil, err
	}
	return f.Decode()
}

// File is a file of which the header has been read: everything before the first scan.
type File struct{ d decoder }

// Open reads a file's header, and those of its scans if it is progressive. It takes no memory for
// samples. Errors wrap io.ErrUnexpectedEOF if the file ends too early, and ErrWork if it would take
// too much work to decode.
func Open(data []byte) (*File, error) { return OpenPart(data, nil) }

// OpenPart is Open for one of several streams that share a budget of work.
func OpenPart(data []byte, b *Budget) (*File, error) {
	f := &File{decoder{data: data, picture: Picture{Adobe: -1}, conditioning: defaultConditioning, budget: b}}
	err := f.d.header()
	if err == nil {
		err = f.d.checkWork()
	}
	if err != nil {
		return nil, fmt.Errorf("jpeg: %w", err)
	}
	return f, nil
}

// Size is the size in pixels.
func (f *File) Size() (width, height int) { return f.d.picture.Width, f.d.picture.Height }

// EXIF is the TIFF structure of the first EXIF segment, nil if there is none.
func (f *File) EXIF() []byte { return f.d.exif }

// MPF is the TIFF structure of the last segment of the Multi-Picture Format before the picture, nil
// if there is none.
func (f *File) MPF() []byte { return f.d.mpf }

// Comment is the first comment before the picture, nil if there is none.
func (f *File) Comment() []byte { return f.d.comment }

// Resources are the image resources of the first segment that Photoshop defines for them, nil if
// there is none. IPTC's records are one of them.
func (f *File) Resources() []byte { return f.d.resources }

// Decode is DecodeContext without a context.
func (f *File) Decode() (*Picture, error) { return f.DecodeContext(context.Background()) }

// DecodeContext decodes the samples. It can be called once. It stops with the error of ctx within
// milliseconds after ctx has ended. A file that ends too early is io.ErrUnexpectedEOF (wrapped).
func (f *File) DecodeContext(ctx context.Context) (*Picture, error) {
	d := &f.d
	d.ctx = ctx
	err := d.decode()
	d.settle()
	if err != nil {
		return nil, fmt.Errorf("jpeg: %w", err)
	}
	for i, c := range d.components {
		for k, v := range c.quant {
			d.picture.Planes[i].Steps[unzigzag[k]] = uint16(v)
		}
	}
	return &d.picture, nil
}

// header reads the segments before the first scan.
func (d *decoder) header() error {
	if len(d.data) < 2 || d.data[0] != 0xff || d.data[1] != markSOI {
		return errors.New("no start of a picture")
	}
	d.at = 2
	for {
		marker, err := d.nextMarker()
		if err != nil {
			return err
		}
		switch {
		case marker == markEOI:
			return errors.New("the file holds no picture data")
		case marker == markSOS && d.components == nil:
			return errors.New("a scan comes before the frame header")
		case marker == markSOS:
			d.at -= 2 // decode begins with it
			return nil
		}
		if err := d.segment(marker); err != nil {
			return err
		}
	}
}

// decode reads the scans and the segments between them.
func (d *decoder) decode() error {
	if err := d.allocate(); err != nil {
		return err
	}
	for {
		marker, err := d.nextMarker()
		if err != nil && d.refined() {
			d.picture.Warn("the end of the picture is not marked")
			return d.finish()
		}
		if err != nil {
			return err
		}
		if marker == markEOI {
			return d.finish()
		}
		if err := d.segment(marker); err != nil {
			return err
		}
		if marker == markSOS && !d.progressive && d.complete() {
			return nil // nothing after it is needed
		}
	}
}

// nextMarker skips bytes that are not a marker, as libjpeg does.
func (d *decoder) nextMarker() (byte, error) {
	for d.at+1 < len(d.data) {
		marker := d.data[d.at+1]
		if d.data[d.at] == 0xff && marker != 0 && marker != 0xff {
			d.at += 2
			return marker, nil
		}
		d.at++
	}
	return 0, io.ErrUnexpectedEOF
}

// segment reads the segment of a marker.
func (d *decoder) segment(marker byte) error {
	if marker >= markRST0 && marker <= markSOI || marker == markTEM {
		return nil // these have no segment
	}
	if d.at+2 > len(d.data) {
		return io.ErrUnexpectedEOF
	}
	size := int(binary.BigEndian.Uint16(d.data[d.at:]))
	if size < 2 {
		return fmt.Errorf("marker 0x%02x has an impossible length of %d", marker, size)
	}
	if d.at+size > len(d.data) {
		return io.ErrUnexpectedEOF
	}
	body := d.data[d.at+2 : d.at+size]
	d.at += size
	switch marker {
	case markSOF0, markSOF1, markSOF2, markSOF9, markSOF10:
		d.arithmetic = marker >= markSOF9
		return d.frame(body, marker == markSOF2 || marker == markSOF10)
	case markDAC:
		return d.conditionings(body)
	case markDHT:
		return d.huffmanTables(body)
	case markDQT:
		return d.quantTables(body)
	case markDRI:
		if len(body) != 2 {
			return fmt.Errorf("restart interval of %d bytes", len(body))
		}
		d.interval = int(binary.BigEndian.Uint16(body))
	case markSOS:
		return d.scan(body)
	case markAPP0:
		d.picture.JFIF = d.picture.JFIF || len(body) >= 5 && string(body[:5]) == "JFIF\x00"
	case markAPP1, markAPP2, markAPP13, markCOM:
		if d.scans == 0 {
			d.metadata(marker, body)
		}
	case markAPP14:
		if len(body) >= 12 && string(body[:5]) == "Adobe" {
			d.picture.Adobe = int(body[11])
		}
	case markDNL:
		if len(body) == 2 && int(binary.BigEndian.Uint16(body)) != d.picture.Height {
			d.picture.Warn("a later height of %d pixels is ignored", binary.BigEndian.Uint16(body))
		}
	case 0xc3, 0xcb:
		return errors.New("lossless JPEG is not supported")
	case 0xc5, 0xc6, 0xc7, 0xcd, 0xce, 0xcf:
		return errors.New("hierarchical JPEG is not supported")
	}
	return nil
}

// metadata keeps what a segment before the picture says about the file.
func (d *decoder) metadata(marker byte, body []byte) {
	switch {
	case marker == markAPP1 && d.exif == nil && bytes.HasPrefix(body, exifStart):
		d.exif = body[len(exifStart):]
	case marker == markAPP2 && bytes.HasPrefix(body, mpfStart):
		d.mpf = body[len(mpfStart):]
	case marker == markAPP13 && d.resources == nil && bytes.HasPrefix(body, photoshopStart):
		d.resources = body[len(photoshopStart):]
	case marker == markCOM && d.comment == nil:
		d.comment = body
	}
}

// complete tells whether every component has had a scan.
func (d *decoder) complete() bool {
	for _, c := range d.components {
		if !c.seen {
			return false
		}
	}
	return len(d.components) > 0
}

// quantTables reads quantisation tables.
func (d *decoder) quantTables(b []byte) error {
	for len(b) > 0 {
		wide, slot := int(b[0]>>4), int(b[0]&15)
		size := 64 * (1 + wide)
		if wide > 1 || slot > 3 || len(b) < 1+size {
			return errors.New("damaged quantisation tables")
		}
		var t [64]int32
		for i := range t {
			if wide == 0 {
				t[i] = int32(b[1+i])
			} else {
				t[i] = int32(binary.BigEndian.Uint16(b[1+2*i:]))
			}
		}
		d.quant[slot] = &t
		b = b[1+size:]
	}
	return nil
}

// finish turns the coefficients of a progressive file into samples.
func (d *decoder) finish() error {
	if !d.complete() {
		return errors.New("a component has no samples")
	}
	if !d.progressive || d.coefficients {
		return nil
	}
	var block [64]int32
	for i := range d.components {
		c := &d.components[i]
		for at := range c.blocks * c.rows {
			if at%checkBlocks == 0 {
				if err := d.ctx.Err(); err != nil {
					return err
				}
			}
			for k, v := range c.coefficients(at%c.blocks, at/c.blocks) {
				block[unzigzag[k]] = int32(v) * c.quant[k]
			}
			c.samples(&block, at%c.blocks, at/c.blocks)
		}
	}
	return nil
}
