package weights

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// The formats that can be read, as File.Format returns them.
const (
	FormatSafetensors = "safetensors"
	FormatPyTorch     = "pytorch"        // a zip archive by torch.save
	FormatTorchScript = "torchscript"    // a zip archive by torch.jit.save
	FormatLegacy      = "pytorch-legacy" // by torch.save before PyTorch 1.6
)

// File is an open file of tensors. Its methods are safe for concurrent use, except Close.
type File struct {
	path     string
	format   string
	size     int64
	metadata map[string]string
	tensors  []Tensor // in the order of their contents in the file
	index    map[string]int
	dicts    map[string]bool // names of nested dicts in PyTorch's formats
	removed  []Prefix        // prefixes of names, see Removed
	choosing sync.Mutex      // guards choices
	choices  []Choice        // see Choices
	shards   *shards         // nil unless the file is an index
	reader   io.ReaderAt
	closer   io.Closer
	info     fs.FileInfo // of the file on disk when it was opened; nil in memory
}

// Open detects the format of the file at path from its contents, reads the description of its
// tensors, and keeps the file open until Close. path may be that of an index of shards, whose name
// ends in ".safetensors.index.json". Errors about the contents wrap ErrFormat.
func Open(path string) (*File, error) {
	if IsIndex(path) {
		return openIndex(path)
	}
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	f.unwrap()
	return f, nil
}

// openFile is Open for a single file, with the names of its tensors as they are.
func openFile(path string) (*File, error) {
	// Opening a pipe would wait for its other end.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a regular file", path, ErrFormat)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, err
	}
	file, err := parse(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.closer, file.info = f, info
	return file, nil
}

// CheckUnchanged returns an error that wraps ErrChanged if the file's path leads to another file by
// now, or its size or time has changed since it was opened. Offsets and metadata are then outdated.
func (f *File) CheckUnchanged() error {
	if f.info == nil {
		return nil
	}
	if f.shards != nil {
		for _, s := range f.shards.files {
			if err := s.CheckUnchanged(); err != nil {
				return err
			}
		}
	}
	now, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if !os.SameFile(now, f.info) || now.Size() != f.info.Size() || !now.ModTime().Equal(f.info.ModTime()) {
		return fmt.Errorf("%s: %w", f.path, ErrChanged)
	}
	return nil
}

// OpenBytes reads a file that is in memory, such as an embedded one. name is used in errors. The
// Data of its row-major tensors are parts of data, which must not change while the File is in use.
func OpenBytes(name string, data []byte) (*File, error) {
	file, err := parse(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	file.unwrap()
	for i := range file.tensors {
		if t := &file.tensors[i]; t.Strides == nil {
			t.Data = data[t.Offset : t.Offset+t.Length : t.Offset+t.Length]
		}
	}
	return file, nil
}

// newFile returns a file without tensors.
func newFile(path string) *File {
	return &File{path: path, metadata: map[string]string{}, index: map[string]int{}, dicts: map[string]bool{}}
}

// parse reads the description of the tensors in the format that the first bytes indicate.
func parse(path string, r io.ReaderAt, size int64) (*File, error) {
	f := newFile(path)
	f.reader, f.size = r, size
	err := f.recognise()
	switch {
	case err != nil:
	case f.format == FormatSafetensors:
		err = f.parseSafetensors()
	case f.format == FormatLegacy:
		err = f.parseLegacy()
	default:
		err = f.parseZip()
	}
	var disk *fs.PathError
	switch {
	case err == nil:
		return f, nil
	case errors.As(err, &disk): // a read failed, which says nothing about the contents
		return nil, err
	case f.format == "":
		return nil, fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
	}
	return nil, fmt.Errorf("%s: %w: %s: %w", path, ErrFormat, f.format, err)
}

// recognise sets the format; zip archives count as PyTorch's until more is known. Its errors name
// other kinds of files that users have mistaken for checkpoints.
func (f *File) recognise() error {
	head := make([]byte, min(f.size, 512))
	if err := readFull(f.reader, head, 0); err != nil {
		return err
	}
	begins := func(s string) bool { return bytes.HasPrefix(head, []byte(s)) }
	switch {
	case len(head) < 9:
		return fmt.Errorf("%d bytes, too short for a header", len(head))
	case begins("PK\x03\x04"):
		f.format = FormatPyTorch
	case head[8] == '{': // after the header's length
		f.format = FormatSafetensors
	case head[0] == 0x80 && head[1] >= 2 && head[1] <= 5:
		f.format = FormatLegacy
	case begins("version https://git-lfs"):
		return errors.New("a Git LFS pointer instead of the file; fetch the file with git lfs pull")
	case begins("<"):
		return errors.New("a web page")
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return errors.New("a tar archive, as PyTorch wrote before 0.1.10; save it with a newer version")
	default:
		return fmt.Errorf("it begins with %q, as neither safetensors nor PyTorch's formats do", head[:min(len(head), 8)])
	}
	return nil
}

// sort sorts the tensors by their place in the file.
func (f *File) sort() {
	slices.SortFunc(f.tensors, func(a, b Tensor) int {
		// Empty tensors come before the tensor that begins at the same place.
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Name, b.Name))
	})
	for i, t := range f.tensors {
		f.index[t.Name] = i
	}
}

// Close closes the underlying file. Slices that were read stay valid.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Path returns the path, or for OpenBytes the name, that the file was opened with.
func (f *File) Path() string { return f.path }

// Format returns one of the constants above: "safetensors", "pytorch", "torchscript" or
// "pytorch-legacy".
func (f *File) Format() string { return f.format }

// Metadata returns the free text entries of a safetensors file. For PyTorch's formats it returns up
// to a thousand strings, numbers and bools of the dicts and modules under dotted names, such as
// "total_steps" and "optimizer.param_groups.0.lr". It is never nil and must not be changed.
func (f *File) Metadata() map[string]string { return f.metadata }

// Tensors returns all tensors in the order of their contents in the file. The names of tensors in
// nested dicts, lists and modules are the keys, indices and attributes joined by dots, without the
// prefixes in Removed. Tensors may share contents.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Names returns the tensors' names in the order of their contents in the file.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Tensor returns the tensor with a name, and whether it exists.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
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
