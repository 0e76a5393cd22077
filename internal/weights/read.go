package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
)

// maxHeader is the longest header that is read, in bytes: the limit of the
// format's own library.
const maxHeader = 100_000_000

// metadataKey is the one entry of a header that is not a tensor.
const metadataKey = "__metadata__"

// File is an open safetensors file. Its methods may be called at the same time
// by several goroutines, Close excepted.
type File struct {
	path     string
	metadata map[string]string
	tensors  []Tensor // in the order of their contents in the file
	index    map[string]int
	reader   io.ReaderAt
	closer   io.Closer
}

// Open reads the header of the file at path and keeps the file open until
// Close. Errors wrap ErrFormat when the contents are at fault.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: not a regular file", path, ErrFormat)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	file, err := parse(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file.closer = f
	return file, nil
}

// OpenBytes reads a whole safetensors file that is in memory, such as an
// embedded one. name stands for the file in errors. The tensors' Data are parts
// of data, which must not change while the File is in use.
func OpenBytes(name string, data []byte) (*File, error) {
	file, err := parse(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range file.tensors {
		t := &file.tensors[i]
		t.Data = data[t.Offset : t.Offset+t.Length : t.Offset+t.Length]
	}
	return file, nil
}

// Close closes the file under it. Slices that were read stay valid.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Path is the path, or the name for OpenBytes, that the file was opened with.
func (f *File) Path() string { return f.path }

// Metadata is the file's free text entries, empty but never nil. It must not be
// changed.
func (f *File) Metadata() map[string]string { return f.metadata }

// Tensors lists all tensors in the order of their contents in the file.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Names lists the tensors' names in the order of their contents in the file.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Tensor is the tensor of that name, and whether there is one.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Bytes is the raw little-endian contents of a tensor. For a file in memory it
// is a part of it, which must not be changed; otherwise it is read anew.
func (f *File) Bytes(name string) ([]byte, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: no tensor %q", f.path, name)
	}
	if t.Data != nil {
		return t.Data, nil
	}
	data := make([]byte, t.Length)
	if err := readFull(f.reader, data, t.Offset); err != nil {
		return nil, fmt.Errorf("%s: tensor %q: %w", f.path, name, err)
	}
	return data, nil
}

// Float32s is the contents of a floating-point tensor of any width as float32,
// in a new slice of Count values. Halves and bfloat16 convert exactly, float64
// rounds to nearest. Integer tensors are an error.
func (f *File) Float32s(name string) ([]float32, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: no tensor %q", f.path, name)
	}
	convert := floatReader(t.DType)
	if convert == nil {
		return nil, fmt.Errorf("%s: tensor %q holds %s, expected floating-point numbers", f.path, name, t.DType)
	}
	out := make([]float32, t.Count())
	size := t.DType.Size()
	buffer := make([]byte, min(t.Length, 1<<18))
	for done := 0; done < len(out); {
		n := min(len(out)-done, len(buffer)/size)
		chunk := buffer[:n*size]
		if err := readFull(f.reader, chunk, t.Offset+int64(done)*int64(size)); err != nil {
			return nil, fmt.Errorf("%s: tensor %q: %w", f.path, name, err)
		}
		convert(out[done:done+n], chunk)
		done += n
	}
	return out, nil
}

// floatReader converts raw contents of a type to float32, nil where the type is
// not a floating-point one.
func floatReader(dtype DType) func(dst []float32, src []byte) {
	le := binary.LittleEndian
	switch dtype {
	case Float32:
		return func(dst []float32, src []byte) {
			for i := range dst {
				dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
			}
		}
	case Float16:
		return func(dst []float32, src []byte) {
			for i := range dst {
				dst[i] = FromHalf(le.Uint16(src[2*i:]))
			}
		}
	case BFloat16:
		return func(dst []float32, src []byte) {
			for i := range dst {
				dst[i] = FromBFloat16(le.Uint16(src[2*i:]))
			}
		}
	case Float64:
		return func(dst []float32, src []byte) {
			for i := range dst {
				dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
			}
		}
	}
	return nil
}

// parse reads the eight bytes of the header's length and the header.
func parse(path string, r io.ReaderAt, size int64) (*File, error) {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return nil, fmt.Errorf("%w: %d bytes, too short for a header", ErrFormat, size)
	}
	if err := readFull(r, prefix[:], 0); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > maxHeader || int64(length) > size-8 {
		return nil, fmt.Errorf("%w: header of %d bytes in a file of %d", ErrFormat, length, size)
	}
	header := make([]byte, length)
	if err := readFull(r, header, 8); err != nil {
		return nil, err
	}
	start := 8 + int64(length)
	f := &File{path: path, reader: r, metadata: map[string]string{}, index: map[string]int{}}
	if err := f.parseHeader(header, start, size-start); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return f, nil
}

// entry is a tensor as the header's JSON describes it. Offsets count from the
// end of the header.
type entry struct {
	DType   DType   `json:"dtype"`
	Shape   []int   `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// parseHeader fills the file from the header's JSON; the contents are size
// bytes from start on. Keys are read one by one, since a map would hide
// duplicates.
func (f *File) parseHeader(header []byte, start, size int64) error {
	if len(header) == 0 || header[0] != '{' {
		return fmt.Errorf("header does not begin with {")
	}
	decoder := json.NewDecoder(bytes.NewReader(header))
	decoder.DisallowUnknownFields()
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("header: %w", err)
		}
		name, ok := token.(string)
		if !ok || seen[name] {
			return fmt.Errorf("header: %q appears twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			err = decoder.Decode(&f.metadata)
			if f.metadata == nil {
				f.metadata = map[string]string{}
			}
		} else {
			err = f.parseEntry(decoder, name, start, size)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if rest := header[decoder.InputOffset():]; len(bytes.Trim(rest, " \t\r\n\x00")) != 0 {
		return fmt.Errorf("header: text after its end")
	}
	return f.finish(start, size)
}

// parseEntry reads and checks the description of one tensor.
func (f *File) parseEntry(decoder *json.Decoder, name string, start, size int64) error {
	var e entry
	if err := decoder.Decode(&e); err != nil {
		return err
	}
	if name == "" || e.Shape == nil || len(e.Offsets) != 2 {
		return fmt.Errorf("a tensor needs a name, dtype, shape and two data_offsets")
	}
	begin, end := e.Offsets[0], e.Offsets[1]
	if begin < 0 || end < begin || end > size {
		return fmt.Errorf("bytes %d to %d lie outside the contents of %d bytes", begin, end, size)
	}
	want, err := byteLength(e.DType, e.Shape)
	if err != nil {
		return err
	}
	if end-begin != want {
		return fmt.Errorf("%d bytes, expected %d for %s of shape %v", end-begin, want, e.DType, e.Shape)
	}
	f.tensors = append(f.tensors, Tensor{
		Name: name, DType: e.DType, Shape: e.Shape, Offset: start + begin, Length: want,
	})
	return nil
}

// finish orders the tensors by their place and checks that their contents
// follow each other without gap or overlap to the end of the file, as the
// format demands.
func (f *File) finish(start, size int64) error {
	slices.SortFunc(f.tensors, func(a, b Tensor) int {
		switch {
		case a.Offset != b.Offset:
			return int(max(-1, min(1, a.Offset-b.Offset)))
		case a.Length != b.Length: // empty tensors first, where another begins
			return int(max(-1, min(1, a.Length-b.Length)))
		}
		return strings.Compare(a.Name, b.Name)
	})
	at := start
	for i, t := range f.tensors {
		if t.Offset != at {
			return fmt.Errorf("%q begins at byte %d, expected %d: contents overlap or leave a gap", t.Name, t.Offset, at)
		}
		at += t.Length
		f.index[t.Name] = i
	}
	if at != start+size {
		return fmt.Errorf("%d bytes after the last tensor", start+size-at)
	}
	return nil
}

// readFull reads exactly len(p) bytes at offset.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d of %d bytes at %d: %w", n, len(p), offset, err)
}
