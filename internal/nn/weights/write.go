package weights

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/declip/declip/internal/files"
)

// Stream is a tensor whose contents are produced while it is written, so that a file can be larger
// than memory. File.Stream makes one from a tensor in a file.
type Stream struct {
	Name  string
	DType DType
	Shape []int
	// Write writes the row-major little-endian contents, exactly the number of bytes of DType and
	// Shape.
	Write func(w io.Writer) error
}

// Write writes tensors, each with its Data, and metadata as a safetensors file. The file is
// replaced atomically and synced to the disk. The result does not depend on the order of tensors.
func Write(path string, tensors []Tensor, metadata map[string]string) error {
	return files.WriteSynced(path, func(w io.Writer) error { return WriteTo(w, tensors, metadata) })
}

// WriteStreams is Write for tensors that are not in memory. Streams are written
// one after the other, not in the order given.
func WriteStreams(path string, streams []Stream, metadata map[string]string) error {
	return files.WriteSynced(path, func(w io.Writer) error { return WriteStreamsTo(w, streams, metadata) })
}

// Marshal returns the bytes of the file that Write writes.
func Marshal(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	if err := WriteTo(&b, tensors, metadata); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteTo writes the file that Write writes to w. Everything is checked before
// the first byte is written.
func WriteTo(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	streams := make([]Stream, len(tensors))
	for i, t := range tensors {
		want, err := byteLength(t.DType, t.Shape)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if int64(len(t.Data)) != want {
			return fmt.Errorf("tensor %q: %d bytes of data, expected %d for %s of shape %v",
				t.Name, len(t.Data), want, t.DType, t.Shape)
		}
		streams[i] = Stream{t.Name, t.DType, t.Shape, func(w io.Writer) error {
			_, err := w.Write(t.Data)
			return err
		}}
	}
	return WriteStreamsTo(w, streams, metadata)
}

// WriteStreamsTo writes the file that WriteStreams writes to w. What can be checked beforehand is
// checked before the first byte is written.
func WriteStreamsTo(w io.Writer, streams []Stream, metadata map[string]string) error {
	sorted := slices.Clone(streams)
	// Sorting by width, widest first, keeps every tensor aligned to its width.
	slices.SortFunc(sorted, func(a, b Stream) int {
		return cmp.Or(cmp.Compare(b.DType.Size(), a.DType.Size()),
			cmp.Compare(a.DType, b.DType), cmp.Compare(a.Name, b.Name))
	})
	header, err := marshalHeader(sorted, metadata)
	if err != nil {
		return err
	}
	var prefix [8]byte
	le.PutUint64(prefix[:], uint64(len(header)))
	if _, err := w.Write(append(prefix[:], header...)); err != nil {
		return err
	}
	for _, s := range sorted {
		want, _ := byteLength(s.DType, s.Shape) // marshalHeader has checked it
		counted := &counter{w: w}
		if err := s.Write(counted); err != nil {
			return fmt.Errorf("tensor %q: %w", s.Name, err)
		}
		if counted.n != want {
			return fmt.Errorf("tensor %q: %d bytes were written, expected %d for %s of shape %v",
				s.Name, counted.n, want, s.DType, s.Shape)
		}
	}
	return nil
}

// counter counts the bytes that are written to w.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// marshalHeader returns the header's JSON, metadata first, then the tensors in the given order,
// padded with spaces so that the contents begin at a multiple of eight bytes.
func marshalHeader(streams []Stream, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(metadata) > 0 {
		for k, v := range metadata {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("metadata %q is not valid UTF-8", k)
			}
		}
		if err := field(&b, metadataKey, metadata); err != nil { // json sorts map keys
			return nil, err
		}
	}
	seen := map[string]bool{}
	var at int64
	for _, s := range streams {
		if s.Name == "" || s.Name == metadataKey || !utf8.ValidString(s.Name) {
			return nil, fmt.Errorf("tensor name %q is not allowed", s.Name)
		}
		if seen[s.Name] {
			return nil, fmt.Errorf("two tensors are named %q", s.Name)
		}
		seen[s.Name] = true
		length, err := byteLength(s.DType, s.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", s.Name, err)
		}
		shape := append([]int{}, s.Shape...) // never null in JSON
		if err := field(&b, s.Name, entry{s.DType, shape, []int64{at, at + length}}); err != nil {
			return nil, err
		}
		at += length
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	return b.Bytes(), nil
}

// field adds one name and value to a JSON object that is being written.
func field(b *bytes.Buffer, name string, value any) error {
	key, err := json.Marshal(name)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	b.Write(key)
	b.WriteByte(':')
	b.Write(text)
	return nil
}
