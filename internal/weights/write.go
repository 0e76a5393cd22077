package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/declip/declip/internal/atomicfile"
)

// Write writes tensors, each with its Data, and metadata as a safetensors file.
// The file is written under a temporary name beside path, synced, and renamed
// when whole, so that path never holds half a file. The same tensors in any
// order give the same bytes.
func Write(path string, tensors []Tensor, metadata map[string]string) error {
	return atomicfile.WriteSynced(path, func(w io.Writer) error { return WriteTo(w, tensors, metadata) })
}

// Marshal is the bytes of the file that Write writes.
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
	sorted := slices.Clone(tensors)
	// Wide types first keeps every tensor aligned to its own width.
	slices.SortFunc(sorted, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(b.DType.Size(), a.DType.Size()),
			cmp.Compare(a.DType, b.DType), cmp.Compare(a.Name, b.Name))
	})
	header, err := marshalHeader(sorted, metadata)
	if err != nil {
		return err
	}
	var prefix [8]byte
	binary.LittleEndian.PutUint64(prefix[:], uint64(len(header)))
	if _, err := w.Write(prefix[:]); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range sorted {
		if _, err := w.Write(t.Data); err != nil {
			return err
		}
	}
	return nil
}

// marshalHeader is the header's JSON, metadata first, then the tensors in the
// order given, padded with spaces so that the contents begin at a multiple of
// eight bytes.
func marshalHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
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
	for _, t := range tensors {
		if t.Name == "" || t.Name == metadataKey || !utf8.ValidString(t.Name) {
			return nil, fmt.Errorf("tensor name %q is not allowed", t.Name)
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("two tensors are named %q", t.Name)
		}
		seen[t.Name] = true
		want, err := byteLength(t.DType, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if int64(len(t.Data)) != want {
			return nil, fmt.Errorf("tensor %q: %d bytes of data, expected %d for %s of shape %v",
				t.Name, len(t.Data), want, t.DType, t.Shape)
		}
		shape := append([]int{}, t.Shape...) // never null in JSON
		if err := field(&b, t.Name, entry{t.DType, shape, []int64{at, at + want}}); err != nil {
			return nil, err
		}
		at += want
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
