package tiff

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/image/tiff/lzw"
)

// Kinds of compression.
const (
	compressionNone       = 1
	compressionLZW        = 5
	compressionOldJPEG    = 6
	compressionJPEG       = 7
	compressionDeflate    = 8
	compressionPackBits   = 32773
	compressionOldDeflate = 32946
	compressionZstd       = 50000
)

// refused names kinds of compression that are not read.
var refused = map[int]string{
	9: "JBIG", 10: "JBIG", 32766: "NeXT", 32809: "ThunderScan", 32895: "Pixar film", 32908: "Pixar film", 32909: "PixarLog",
	34661: "JBIG", 34676: "SGI LogLuv", 34677: "SGI LogLuv", 34712: "JPEG 2000", 33003: "JPEG 2000", 33005: "JPEG 2000",
	34887: "LERC", 34892: "lossy DNG", 34925: "LZMA", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}

// partBytes returns the compressed bytes of a strip or tile.
func (l *layout) partBytes(i int) ([]byte, error) {
	at := offset64(l.offsets[i])
	if at > int64(len(l.data)) {
		return nil, io.ErrUnexpectedEOF
	}
	var n uint64
	switch {
	case i < len(l.counts):
		n = l.counts[i]
	case len(l.offsets) == 1 || l.compression != compressionNone: // the code says itself where it ends
		n = uint64(len(l.data)) - uint64(at)
	default:
		n = uint64(len(l.data)) - uint64(at)
		if l.sorted == nil {
			l.sorted = slices.Sorted(slices.Values(l.offsets))
		}
		if i, _ := slices.BinarySearch(l.sorted, uint64(at)+1); i < len(l.sorted) {
			n = min(n, l.sorted[i]-uint64(at))
		}
	}
	b := l.data[at:]
	b = b[:min(uint64(len(b)), n)] // what is missing counts only if it is needed
	if l.compression == compressionJPEG {
		return b, l.charge(len(b))
	}
	if l.reversed {
		if err := l.charge(len(b)); err != nil {
			return nil, err
		}
		b = slices.Clone(b)
		for i, v := range b {
			b[i] = bits.Reverse8(v)
		}
	}
	return b, nil
}

// part returns a reader of the uncompressed rows of a strip or tile.
func (l *layout) part(i int) (io.Reader, error) {
	b, err := l.partBytes(i)
	if err != nil {
		return nil, err
	}
	switch l.compression {
	case compressionNone:
		return bytes.NewReader(b), nil
	case compressionPackBits:
		return &packBits{data: b, size: len(b)}, nil
	case compressionLZW:
		if len(b) > 1 && b[0] == 0 && b[1]&1 == 1 {
			return nil, errors.New("LZW codes in the order of old writers are not supported")
		}
		return lzw.NewReader(l.source(b), lzw.MSB, 8), nil
	case compressionDeflate, compressionOldDeflate:
		return zlib.NewReader(l.source(b))
	case compressionZstd:
		return l.newZstd(b)
	case faxModified, faxGroup3, faxGroup4:
		return l.fax(b)
	}
	if name := refused[l.compression]; name != "" {
		return nil, fmt.Errorf("%s compression is not supported", name)
	}
	return nil, fmt.Errorf("compression %d is not supported", l.compression)
}

// ErrWork is in errors about files that would take much longer to decode than their number of
// pixels suggests.
var ErrWork = errors.New("too much work to decode")

// charge bounds the work of a file whose strips or tiles overlap: each of thousands could be as
// long as the file.
func (l *layout) charge(n int) error {
	if l.charged += n; l.charged > 4*len(l.data)+1<<20 {
		return fmt.Errorf("%w: strips or tiles overlap", ErrWork)
	}
	return nil
}

// source is compressed data of which the bytes that are read are charged. Compressed data may be
// long without holding a pixel.
type source struct {
	data   []byte
	layout *layout
	err    error
}

func (l *layout) source(b []byte) *source { return &source{data: b, layout: l} }

// ReadByte is part of io.ByteReader: without it, decompressors read ahead.
func (s *source) ReadByte() (byte, error) {
	if err := s.spend(1); err != nil {
		return 0, err
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b, nil
}

// Read is part of io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n := min(len(p), len(s.data), 1<<16)
	if err := s.spend(n); err != nil {
		return 0, err
	}
	copy(p, s.data[:n])
	s.data = s.data[n:]
	return n, nil
}

// spend counts n bytes before they are read. An error that comes with bytes, or only once, would be
// lost: io.ReadFull ignores it.
func (s *source) spend(n int) error {
	if s.err == nil && len(s.data) == 0 {
		s.err = io.EOF
	}
	if s.err == nil {
		s.err = s.layout.charge(n)
	}
	if s.err == nil {
		s.err = s.layout.watch.Spend(n)
	}
	return s.err
}

// zstdReader gives its decoder back for the next strip or tile, because making one is slow.
type zstdReader struct {
	*zstd.Decoder
	layout *layout
}

// Close is part of io.Closer.
func (r zstdReader) Close() error {
	r.layout.idle = append(r.layout.idle, r.Decoder)
	return nil
}

// newZstd bounds the memory that a frame may ask for: 64 MiB are more than any encoder's highest
// level takes.
func (l *layout) newZstd(b []byte) (io.Reader, error) {
	if n := len(l.idle); n > 0 {
		r := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return zstdReader{r, l}, r.Reset(l.source(b))
	}
	r, err := zstd.NewReader(l.source(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(64<<20))
	return zstdReader{r, l}, err
}

// close frees the decoders.
func (l *layout) close() {
	for _, r := range l.idle {
		r.Close()
	}
}

func (l *layout) fax(b []byte) (io.Reader, error) {
	if l.bits != 1 || l.samples != 1 {
		return nil, errors.New("a fax code of more than one bit a pixel")
	}
	options, err := l.uint(tagT4Options, 0)
	if err != nil {
		return nil, err
	}
	return newFax(b, l.compression, l.partWidth, options&1 != 0), nil
}

// packBits reads runs of bytes (TIFF 6.0, section 9).
type packBits struct {
	data    []byte
	size    int // of data at first
	literal int // bytes to come as they are
	repeat  int // times that the next byte is still to be repeated
}

func (p *packBits) taken() int { return p.size - len(p.data) }

// Read is part of io.Reader.
func (p *packBits) Read(out []byte) (int, error) {
	n := 0
	for n < len(out) {
		switch {
		case p.literal > 0:
			k := copy(out[n:], p.data[:min(p.literal, len(p.data))])
			if k == 0 {
				return n, io.ErrUnexpectedEOF
			}
			p.data, p.literal, n = p.data[k:], p.literal-k, n+k
		case p.repeat > 0:
			if len(p.data) == 0 {
				return n, io.ErrUnexpectedEOF
			}
			out[n] = p.data[0]
			if n, p.repeat = n+1, p.repeat-1; p.repeat == 0 {
				p.data = p.data[1:]
			}
		case len(p.data) == 0:
			return n, io.ErrUnexpectedEOF
		default:
			switch v := int(int8(p.data[0])); {
			case v >= 0:
				p.literal = v + 1
			case v > -128:
				p.repeat = 1 - v
			}
			p.data = p.data[1:]
		}
	}
	return n, nil
}

// undo takes back the differences that a predictor made of a row (TIFF 6.0, section 14; Adobe's
// technical note 3).
func (l *layout) undo(row []byte, samples int) error {
	size := l.bits / 8
	switch {
	case l.predictor == 1:
		return nil
	case !slices.Contains([]int{compressionLZW, compressionDeflate, compressionOldDeflate, compressionZstd}, l.compression):
		return nil // the tag has no meaning here, and libtiff ignores it
	case l.predictor == 2 && l.bits == 8:
		for i := samples; i < len(row); i++ {
			row[i] += row[i-samples]
		}
	case l.predictor == 2 && l.bits == 16:
		for i := 2 * samples; i+1 < len(row); i += 2 {
			l.order.PutUint16(row[i:], l.order.Uint16(row[i:])+l.order.Uint16(row[i-2*samples:]))
		}
	case l.predictor == 2 && l.bits == 32:
		for i := 4 * samples; i+3 < len(row); i += 4 {
			l.order.PutUint32(row[i:], l.order.Uint32(row[i:])+l.order.Uint32(row[i-4*samples:]))
		}
	case l.predictor == 3 && l.format == formatFloat:
		for i := samples; i < len(row); i++ {
			row[i] += row[i-samples]
		}
		l.joinBytes(row, size)
	default:
		return fmt.Errorf("predictor %d of samples of %d bits is not supported", l.predictor, l.bits)
	}
	return nil
}

// joinBytes brings the bytes of floating-point numbers together: a row has the highest bytes of all
// first.
func (l *layout) joinBytes(row []byte, size int) {
	n := len(row) / size
	split := slices.Clone(row)
	for i := range n {
		for k := range size {
			to := k
			if l.order == binary.ByteOrder(binary.LittleEndian) {
				to = size - 1 - k
			}
			row[i*size+to] = split[k*n+i]
		}
	}
}
