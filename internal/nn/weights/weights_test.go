package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// raw builds a file from a header's text and contents.
func raw(header string, contents []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), contents...)
}

func sample() ([]Tensor, map[string]string) {
	return []Tensor{
		FromFloat32s("b.weight", []int{2, 3}, []float32{1, -2, 3.5, 0, 1e-40, float32(math.Inf(1))}),
		FromFloat32sAsHalf("a.half", []int{3}, []float32{1, -0.5, 65504}),
		FromInt64s("bn.num_batches_tracked", nil, []int64{-7}),
		FromFloat32s("empty", []int{0, 4}, nil),
		{Name: "bf", DType: BFloat16, Shape: []int{1}, Data: []byte{0x80, 0x3f}},
		{Name: "d", DType: Float64, Shape: []int{1}, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1))},
	}, map[string]string{"spec": `{"decoder":"conv-4"}`, "a": "ü"}
}

func TestWriteAndOpen(t *testing.T) {
	tensors, metadata := sample()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := Write(path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	onDisk, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer onDisk.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	inMemory, err := OpenBytes("embedded", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*File{onDisk, inMemory} {
		if diff := cmp.Diff(metadata, f.Metadata()); diff != "" {
			t.Errorf("%s: metadata (-want +got)\n%s", f.Path(), diff)
		}
		if len(f.Names()) != len(tensors) {
			t.Errorf("%s: names %q", f.Path(), f.Names())
		}
		for _, want := range tensors {
			got, ok := f.Tensor(want.Name)
			if !ok || got.DType != want.DType || fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
				t.Fatalf("%s: got %+v, want %+v", f.Path(), got, want)
			}
			contents, err := f.Bytes(want.Name)
			if err != nil || !bytes.Equal(contents, want.Data) {
				t.Errorf("%s: %s: bytes %v, %v; want %v", f.Path(), want.Name, contents, err, want.Data)
			}
			if !bytes.Equal(data[got.Offset:got.Offset+got.Length], want.Data) {
				t.Errorf("%s: %s: offset %d does not point at its contents", f.Path(), want.Name, got.Offset)
			}
		}
		floats := map[string][]float32{
			"b.weight": {1, -2, 3.5, 0, 1e-40, float32(math.Inf(1))},
			"a.half":   {1, -0.5, 65504}, "bf": {1}, "d": {0.1}, "empty": {},
		}
		for name, want := range floats {
			got, err := f.Float32s(name)
			if err != nil || !cmp.Equal(got, want) {
				t.Errorf("%s: Float32s(%s) = %v, %v; want %v", f.Path(), name, got, err, want)
			}
		}
		if _, err := f.Float32s("bn.num_batches_tracked"); err == nil || !strings.Contains(err.Error(), "I64") {
			t.Errorf("integer tensor as floats: %v", err)
		}
		if _, err := f.Bytes("none"); err == nil || !strings.Contains(err.Error(), `no tensor "none"`) {
			t.Errorf("missing tensor: %v", err)
		}
	}
}

// TestWriteIsDeterministic also fixes the bytes: different versions of the program must write equal
// files.
func TestWriteIsDeterministic(t *testing.T) {
	tensors := []Tensor{
		FromFloat32sAsHalf("z", []int{1}, []float32{2}),
		FromFloat32s("b", []int{1}, []float32{1}),
		FromFloat32s("a", nil, []float32{1}),
	}
	meta := map[string]string{"y": "1", "x": "2"}
	first, err := Marshal(tensors, meta)
	if err != nil {
		t.Fatal(err)
	}
	tensors[0], tensors[2] = tensors[2], tensors[0]
	second, err := Marshal(tensors, meta)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("order of the arguments changes the file")
	}
	want := `{"__metadata__":{"x":"2","y":"1"},` +
		`"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},` +
		`"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},` +
		`"z":{"dtype":"F16","shape":[1],"data_offsets":[8,10]}}`
	n := binary.LittleEndian.Uint64(first)
	if got := string(first[8 : 8+n]); strings.TrimRight(got, " ") != want || n%8 != 0 {
		t.Errorf("header of %d bytes:\n%q\nwant\n%q", n, got, want)
	}
}

func TestWriteRefuses(t *testing.T) {
	one := FromFloat32s("a", []int{1}, []float32{1})
	cases := map[string][]Tensor{
		"named \"a\"":       {one, one},
		"expected 8":        {{Name: "a", DType: Float32, Shape: []int{2}, Data: make([]byte, 4)}},
		"unknown type":      {{Name: "a", DType: "F8", Shape: []int{1}, Data: make([]byte, 1)}},
		"negative size":     {{Name: "a", DType: Uint8, Shape: []int{-1, -1}, Data: make([]byte, 1)}},
		"is not allowed":    {{Name: metadataKey, DType: Uint8, Shape: []int{}, Data: make([]byte, 1)}},
		`"\xff" is not all`: {{Name: "\xff", DType: Uint8, Shape: []int{}, Data: make([]byte, 1)}},
	}
	dir := t.TempDir()
	for want, tensors := range cases {
		err := Write(filepath.Join(dir, "m"), tensors, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("refused writes left %v", left)
	}
}

func TestWriteKeepsOldFileOnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	if err := Write(path, []Tensor{FromFloat32s("a", []int{1}, []float32{1})}, nil); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []Tensor{{Name: "a", DType: "?"}}, nil); err == nil {
		t.Fatal("bad tensor was written")
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// badFiles are files that must be refused, with part of the message.
var badFiles = map[string]struct {
	data []byte
	want string
}{
	"empty":           {nil, "too short"},
	"short":           {[]byte("1234567"), "too short"},
	"text":            {[]byte("this is a text file"), `begins with "this is "`},
	"web page":        {[]byte("<!DOCTYPE html>"), "a web page"},
	"pointer":         {[]byte("version https://git-lfs.github.com/spec/v1"), "git lfs pull"},
	"tar":             {append(make([]byte, 257), "ustar\x0000"...), "a tar archive"},
	"header past end": {raw("{}", nil)[:9], "header of"},
	"huge header":     {append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), '{'), "header of"},
	"no object":       {raw("[]", nil), "begins with"},
	"no header":       {raw("", []byte("{}")), "the header is empty"},
	"cut json":        {raw(`{"a":{"dtype":"F32"`, nil), "EOF"},
	"cut after entry": {raw(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, nil), "EOF"},
	"text after":      {raw(`{} x`, nil), "after its end"},
	"cut contents":    {raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 6)), "the file is truncated"},
	"unknown field":   {raw(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"x":1}}`, nil), "unknown field"},
	"no shape":        {raw(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, make([]byte, 4)), "needs a name"},
	"null":            {raw(`{"a":null}`, nil), "needs a name"},
	"one offset":      {raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}`, make([]byte, 4)), "needs a name"},
	"nameless":        {raw(`{"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, make([]byte, 4)), "needs a name"},
	"dtype":           {raw(`{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}`, make([]byte, 4)), `unknown type "F31"`},
	"length":          {raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, make([]byte, 4)), "4 bytes, expected 8"},
	"negative":        {raw(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, make([]byte, 4)), "negative size"},
	"overflow":        {raw(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, nil), "too large"},
	"zero overflow":   {raw(`{"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, nil), "size too large"},
	"float size":      {raw(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, make([]byte, 4)), "cannot unmarshal"},
	"reversed":        {raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, make([]byte, 4)), "outside"},
	"past the end":    {raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 4)), "outside"},
	"before start":    {raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[-4,4]}}`, make([]byte, 4)), "outside"},
	"rest":            {raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, make([]byte, 5)), "1 bytes after"},
	"gap":             {raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, make([]byte, 2)), "gap"},
	"overlap": {raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`,
		make([]byte, 3)), "overlap"},
	"twice": {raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`,
		make([]byte, 2)), "appears twice"},
	"metadata": {raw(`{"__metadata__":{"a":1}}`, nil), "cannot unmarshal"},
	"rank":     {raw(`{"a":{"dtype":"U8","shape":[1`+strings.Repeat(",1", 32)+`],"data_offsets":[0,1]}}`, make([]byte, 1)), "dimensions"},
	"deep":     {raw(`{"a":`+strings.Repeat("[", 20000)+"}", nil), "cannot"},
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range badFiles {
		_, err := OpenBytes("bad.safetensors", c.data)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if name != "deep" && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
		if !errors.Is(err, ErrFormat) || !strings.HasPrefix(err.Error(), "bad.safetensors: ") {
			t.Errorf("%s: %v does not wrap ErrFormat or name the file", name, err)
		}
	}
	for _, path := range []string{t.TempDir(), os.DevNull} {
		if _, err := Open(path); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// TestReadOfCutFile: a file that shrinks after it was opened is an error.
func TestReadOfCutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	if err := Write(path, []Tensor{FromFloat32s("a", []int{100}, make([]float32, 100))}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Float32s("a"); err == nil {
		t.Error("Float32s of a cut file succeeded")
	}
	if _, err := f.Bytes("a"); err == nil {
		t.Error("Bytes of a cut file succeeded")
	}
}

// TestHalf compares every half-precision number with its definition, and rounding with a search for
// the nearest one.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		got := float64(FromHalf(uint16(h)))
		exponent, fraction := h>>10&31, float64(h&1023)
		want := math.Ldexp(1+fraction/1024, exponent-15)
		switch {
		case exponent == 0:
			want = math.Ldexp(fraction/1024, -14)
		case exponent == 31 && fraction == 0:
			want = math.Inf(1)
		case exponent == 31:
			want = math.NaN()
		}
		if h&0x8000 != 0 {
			want = -want
		}
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("FromHalf(%#04x) = %v, want %v", h, got, want)
		}
		if back := ToHalf(FromHalf(uint16(h))); back != uint16(h) && !(math.IsNaN(want) && back&0x7c00 == 0x7c00 && back&0x3ff != 0) {
			t.Fatalf("ToHalf(FromHalf(%#04x)) = %#04x", h, back)
		}
		if h >= 0x7bff {
			continue
		}
		low, high := FromHalf(uint16(h)), FromHalf(uint16(h+1)) // their middle is exact in float32
		middle := low + (high-low)/2
		even := uint16(h) + uint16(h)&1
		for v, want := range map[float32]uint16{
			middle:                          even,
			math.Nextafter32(middle, 0):     uint16(h),
			math.Nextafter32(middle, 1<<20): uint16(h + 1),
		} {
			if ToHalf(v) != want || ToHalf(-v) != want|0x8000 {
				t.Fatalf("ToHalf(%v) = %#04x, want %#04x", v, ToHalf(v), want)
			}
		}
	}
	for v, want := range map[float32]uint16{65519.996: 0x7bff, 65520: 0x7c00, math.MaxFloat32: 0x7c00, 0x1p-25: 0, 0x1p-149: 0} {
		if got := ToHalf(v); got != want {
			t.Errorf("ToHalf(%v) = %#04x, want %#04x", v, got, want)
		}
	}
}
