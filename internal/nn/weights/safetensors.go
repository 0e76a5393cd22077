package weights

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxHeader is the longest header that is read, in bytes: ten times that of the largest models.
const maxHeader = 16 << 20

// metadataKey is the only entry of a header that is not a tensor.
const metadataKey = "__metadata__"

// parseSafetensors reads the eight bytes of the header's length and the header.
func (f *File) parseSafetensors() error {
	var prefix [8]byte
	if err := readFull(f.reader, prefix[:], 0); err != nil {
		return err
	}
	length := le.Uint64(prefix[:])
	if length > uint64(f.size-8) {
		return fmt.Errorf("header of %d bytes in a file of %d", length, f.size)
	}
	if length > maxHeader {
		return fmt.Errorf("header of %d bytes, at most %d are allowed", length, maxHeader)
	}
	header := make([]byte, length)
	if err := readFull(f.reader, header, 8); err != nil {
		return err
	}
	start := 8 + int64(length)
	return f.parseHeader(header, start, f.size-start)
}

// entry describes a tensor in the header's JSON. Offsets count from the end of the header.
type entry struct {
	DType   DType   `json:"dtype"`
	Shape   []int   `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// parseHeader fills the file from the header's JSON; the contents are size bytes from start on.
// Keys are read one by one, because a map would hide duplicates.
func (f *File) parseHeader(header []byte, start, size int64) error {
	if len(header) == 0 {
		return fmt.Errorf("the header is empty")
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
	if end > size && begin >= 0 && end >= begin {
		return fmt.Errorf("bytes %d to %d are outside the contents of %d bytes: the file is truncated, or its header is damaged", begin, end, size)
	}
	if begin < 0 || end < begin {
		return fmt.Errorf("bytes %d to %d are outside the contents of %d bytes", begin, end, size)
	}
	want, err := byteLength(e.DType, e.Shape)
	if err != nil {
		return err
	}
	if end-begin != want {
		return fmt.Errorf("%d bytes, expected %d for %s of shape %v", end-begin, want, e.DType, e.Shape)
	}
	if len(f.tensors) == maxTensors {
		return fmt.Errorf("more than %d tensors", maxTensors)
	}
	f.tensors = append(f.tensors, Tensor{
		Name: name, DType: e.DType, Shape: e.Shape, Offset: start + begin, Length: want,
	})
	return nil
}

// finish sorts the tensors by offset and checks that their contents fill the rest of the file
// without gaps or overlaps, as the format requires.
func (f *File) finish(start, size int64) error {
	f.sort()
	at := start
	for _, t := range f.tensors {
		if t.Offset != at {
			return fmt.Errorf("%q begins at byte %d, expected %d: contents overlap or leave a gap", t.Name, t.Offset, at)
		}
		at += t.Length
	}
	if at != start+size {
		return fmt.Errorf("%d bytes after the last tensor", start+size-at)
	}
	return nil
}
