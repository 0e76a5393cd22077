package weights

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// IndexName is the usual name of the index of a network in several safetensors files.
const IndexName = "model.safetensors.index.json"

// indexSuffix ends the names of indices.
const indexSuffix = ".safetensors.index.json"

// maxShards is the largest number of files of one network.
const maxShards = 1024

// shards are the files of a network that is split. They are read as one: the first byte of each
// follows the last of the one before.
type shards struct {
	files  []*File // as they were opened, in the order of their names
	starts []int64
}

// ReadAt reads from one shard; no tensor reaches beyond its shard.
func (s *shards) ReadAt(p []byte, at int64) (int, error) {
	f, start := s.of(at)
	n, err := f.reader.ReadAt(p, at-start)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", f.path, err)
	}
	return n, err
}

// of returns the shard with a byte, and where the shard starts.
func (s *shards) of(at int64) (*File, int64) {
	i := sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > at }) - 1
	return s.files[i], s.starts[i]
}

func (s *shards) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// IsIndex reports whether a path is that of an index of shards.
func IsIndex(path string) bool { return strings.HasSuffix(path, indexSuffix) }

// Files lists the paths of the files with the contents: the file itself, or the shards of an index.
func (f *File) Files() []string {
	if f.shards == nil {
		return []string{f.path}
	}
	var paths []string
	for _, s := range f.shards.files {
		paths = append(paths, s.path)
	}
	return paths
}

// Place returns the path of the file with a tensor's contents and their offset in it.
func (f *File) Place(t Tensor) (path string, offset int64) {
	if f.shards == nil {
		return f.path, t.Offset
	}
	shard, start := f.shards.of(t.Offset)
	return shard.path, t.Offset - start
}

// Size returns the length of the file in bytes, of an index that of all shards.
func (f *File) Size() int64 { return f.size }

// openIndex opens the shards of the index at path, which must be in its directory and hold exactly
// the tensors that the index lists for them. Their formats must be safetensors.
func openIndex(path string) (*File, error) {
	bad := func(err error) (*File, error) { return nil, fmt.Errorf("%s: %w: %w", path, ErrFormat, err) }
	where, extra, err := readIndex(path)
	if err != nil {
		return bad(err)
	}
	names := slices.Compact(slices.Sorted(maps.Values(where)))
	if len(names) == 0 || len(names) > maxShards {
		return bad(fmt.Errorf("the index lists %d files, expected 1 to %d", len(names), maxShards))
	}
	f := newFile(path)
	f.format, f.metadata = FormatSafetensors, extra
	f.shards = &shards{}
	f.reader, f.closer = f.shards, f.shards
	if f.info, err = os.Stat(path); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := f.addShard(name, where); err != nil {
			f.Close()
			return bad(err)
		}
	}
	for name, shard := range where {
		if _, ok := f.index[name]; !ok {
			f.Close()
			return bad(fmt.Errorf("tensor %q is missing in %s", name, shard))
		}
	}
	f.sort()
	f.unwrap()
	return f, nil
}

// addShard opens the file of this name and adds its tensors.
func (f *File) addShard(name string, where map[string]string) error {
	if name != filepath.Base(name) || !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) || name == "." {
		return fmt.Errorf("the index lists the file %q: only files in its own directory are read", name)
	}
	shard, err := openFile(filepath.Join(filepath.Dir(f.path), name))
	if err != nil {
		return fmt.Errorf("shard %s: %w", name, err)
	}
	f.shards.files = append(f.shards.files, shard) // closed with f
	f.shards.starts = append(f.shards.starts, f.size)
	if shard.format != FormatSafetensors {
		return fmt.Errorf("shard %s is in format %s, expected %s", name, shard.format, FormatSafetensors)
	}
	for key, value := range Unsealed(shard.metadata) {
		if old, ok := f.metadata[key]; ok && old != value {
			return fmt.Errorf("shard %s has metadata %q %.80q, another one %.80q", name, key, value, old)
		}
		f.metadata[key] = value
	}
	for _, t := range shard.tensors {
		switch listed, ok := where[t.Name]; {
		case !ok:
			return fmt.Errorf("shard %s has tensor %q, which the index does not list", name, t.Name)
		case listed != name:
			return fmt.Errorf("tensor %q is in shard %s, the index says %s", t.Name, name, listed)
		case len(f.tensors) == maxTensors:
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		t.Offset += f.size
		f.index[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
	}
	f.size += shard.size
	return nil
}

// readIndex returns the file of each tensor, and the index's metadata.
func readIndex(path string) (where, metadata map[string]string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxHeader+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxHeader {
		return nil, nil, fmt.Errorf("an index of more than %d bytes", maxHeader)
	}
	var index struct {
		Metadata map[string]any  `json:"metadata"`
		Weights  json.RawMessage `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, nil, fmt.Errorf("the index: %w", err)
	}
	if index.Weights == nil {
		return nil, nil, errors.New(`the index has no "weight_map"`)
	}
	if where, err = weightMap(index.Weights); err != nil {
		return nil, nil, fmt.Errorf("weight_map: %w", err)
	}
	metadata = map[string]string{}
	for key, value := range index.Metadata {
		metadata[key] = fmt.Sprint(value)
		if v, ok := value.(float64); ok {
			metadata[key] = fmt.Sprintf("%.0f", v) // the total number of bytes
		}
	}
	return where, metadata, nil
}

// weightMap reads names of tensors and of their files one by one, because a map would hide
// duplicates.
func weightMap(text []byte) (map[string]string, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("expected an object")
	}
	where := map[string]string{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // keys are strings
		if _, ok := where[name]; ok {
			return nil, fmt.Errorf("%q appears twice", name)
		}
		var file string
		if err := decoder.Decode(&file); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		where[name] = file
	}
	return where, nil
}

// IndexIn returns the path of the index of a split network, or of its only file, in a directory;
// empty if there is neither.
func IndexIn(dir string) string {
	for _, name := range []string{IndexName, strings.TrimSuffix(IndexName, ".index.json")} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}
