package weights

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shardFiles are the files of a network in two shards.
func shardFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	where := map[string]string{}
	for name, values := range map[string][]float32{"model-00001-of-00002.safetensors": {1, 2, 3}, "model-00002-of-00002.safetensors": {4, 5}} {
		var list []Tensor
		for _, v := range values {
			tensor := "module.t" + string(rune('0'+int(v)))
			list = append(list, FromFloat32s(tensor, []int{2}, []float32{v, -v}))
			where[tensor] = name
		}
		data, err := Marshal(list, map[string]string{"format": "pt"})
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	files[IndexName] = index(t, where)
	return files
}

func index(t *testing.T, where any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 40}, "weight_map": where})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func store(t *testing.T, files map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestShards: the tensors of all shards are read as those of one file.
func TestShards(t *testing.T) {
	dir := store(t, shardFiles(t))
	f, err := Open(IndexIn(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if names := f.Names(); !slices.Equal(names, []string{"t1", "t2", "t3", "t4", "t5"}) {
		t.Errorf("tensors %q", names)
	}
	if m := f.Metadata(); !maps.Equal(m, map[string]string{"format": "pt", "total_size": "40"}) {
		t.Errorf("metadata %q", m)
	}
	for i, tensor := range f.Tensors() {
		want := []float32{float32(i + 1), -float32(i + 1)}
		if v, err := f.Float32s(tensor.Name); err != nil || !slices.Equal(v, want) {
			t.Errorf("%s: %v, %v; expected %v", tensor.Name, v, err, want)
		}
		path, offset := f.Place(tensor)
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(path, map[bool]string{true: "-00001-", false: "-00002-"}[i < 3]) {
			t.Errorf("%s is in %s, %v", tensor.Name, path, err)
		}
		if raw, _ := f.Bytes(tensor.Name); string(raw) != string(data[offset:offset+tensor.Length]) {
			t.Errorf("%s is not at byte %d of %s", tensor.Name, offset, path)
		}
	}
	if len(f.Files()) != 2 || f.Size() != int64(len(shardFiles(t)["model-00001-of-00002.safetensors"])+len(shardFiles(t)["model-00002-of-00002.safetensors"])) {
		t.Errorf("files %q of %d bytes", f.Files(), f.Size())
	}
	if err := f.CheckUnchanged(); err != nil {
		t.Error(err)
	}
	if err := os.Truncate(f.Files()[1], 10); err != nil {
		t.Fatal(err)
	}
	if err := f.CheckUnchanged(); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "-00002-") {
		t.Errorf("a cut shard: %v", err)
	}
	if _, err := f.Float32s("t5"); err == nil || !strings.Contains(err.Error(), "t5") {
		t.Errorf("a tensor of a cut shard: %v", err)
	}
}

// TestShardsRefused: what is wrong with an index or a shard is named.
func TestShardsRefused(t *testing.T) {
	first, second := "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	where := map[string]string{"module.t1": first, "module.t2": first, "module.t3": first, "module.t4": second, "module.t5": second}
	changed := func(name, file string) map[string]string {
		m := maps.Clone(where)
		if m[name] = file; file == "" {
			delete(m, name)
		}
		return m
	}
	other, err := Marshal([]Tensor{FromFloat32s("module.t4", []int{1}, []float32{1}), FromFloat32s("module.t5", []int{1}, []float32{1})},
		map[string]string{"format": "tf"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte // nil: the file is missing
		want []string
	}{
		{second, nil, []string{second, "no such file"}},
		{second, []byte("short"), []string{second, "too short"}},
		{second, readTestdata(t, "types.pth"), []string{second, "format pytorch"}},
		{second, other, []string{second, `metadata "format"`}},
		{IndexName, index(t, changed("module.t4", first)), []string{`"module.t4"`, "is in shard " + second, "says " + first}},
		{IndexName, index(t, changed("module.t4", "")), []string{second, `"module.t4"`, "does not list"}},
		{IndexName, index(t, changed("module.t6", second)), []string{`"module.t6" is missing in ` + second}},
		{IndexName, index(t, changed("module.t4", "../x.safetensors")), []string{`"../x.safetensors"`, "own directory"}},
		{IndexName, index(t, changed("module.t4", "/etc/passwd")), []string{`"/etc/passwd"`, "own directory"}},
		{IndexName, index(t, changed("module.t4", `..\x`)), []string{`"..\\x"`, "own directory"}},
		{IndexName, index(t, changed("module.t4", ".")), []string{`"."`, "own directory"}},
		{IndexName, index(t, map[string]int{"a": 1}), []string{"weight_map", `"a"`}},
		{IndexName, index(t, []string{"a"}), []string{"weight_map", "expected an object"}},
		{IndexName, index(t, map[string]string{}), []string{"lists 0 files"}},
		{IndexName, []byte(`{"weight_map":{"a":"x","a":"y"}}`), []string{`"a" appears twice`}},
		{IndexName, []byte(`{}`), []string{"weight_map"}},
		{IndexName, []byte(`{`), []string{"the index"}},
	} {
		files := shardFiles(t)
		if files[c.name] = c.data; c.data == nil {
			delete(files, c.name)
		}
		f, err := Open(filepath.Join(store(t, files), IndexName))
		if err == nil {
			f.Close()
			t.Errorf("%q is read", c.want)
			continue
		}
		for _, want := range append(c.want, IndexName) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v; expected %q", err, want)
			}
		}
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%v: not ErrFormat", err)
		}
	}
}

// TestIndexIn: a directory with one file is read, too; the index goes first.
func TestIndexIn(t *testing.T) {
	files := shardFiles(t)
	one := map[string][]byte{"model.safetensors": files["model-00001-of-00002.safetensors"]}
	if path := IndexIn(store(t, one)); filepath.Base(path) != "model.safetensors" {
		t.Errorf("one file: %q", path)
	}
	files["model.safetensors"] = one["model.safetensors"]
	if path := IndexIn(store(t, files)); filepath.Base(path) != IndexName {
		t.Errorf("an index: %q", path)
	}
	if path := IndexIn(t.TempDir()); path != "" {
		t.Errorf("an empty directory: %q", path)
	}
}
