package weights

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestWriteStreams copies every golden file to safetensors, and compares.
func TestWriteStreams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy.safetensors")
	for name, want := range goldenFiles(t) {
		f, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		var streams []Stream
		for _, tensor := range f.Tensors() {
			s, err := f.Stream(tensor.Name, "copy."+tensor.Name, tensor.DType)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		if err := WriteStreams(path, streams, map[string]string{"from": name}); err != nil {
			t.Fatal(err)
		}
		f.Close()
		written, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(written.Names()) != len(want.Tensors) || written.Metadata()["from"] != name {
			t.Errorf("%s: copied %q, %v", name, written.Names(), written.Metadata())
		}
		for tensor, w := range want.Tensors {
			got, _ := written.Tensor("copy." + tensor)
			contents, err := written.Bytes("copy." + tensor)
			if err != nil || got.DType != w.DType || !slices.Equal(got.Shape, w.Shape) || !bytes.Equal(contents, w.Data) {
				t.Errorf("%s: %q: %+v, %v", name, tensor, got, err)
			}
		}
		written.Close()
	}
}

// TestStreamConverts: numbers of every floating-point type as float32 and
// float16, of tensors longer than what is read at a time.
func TestStreamConverts(t *testing.T) {
	values := make([]float32, 3*chunk/2+5)
	for i := range values {
		values[i] = float32(i%4096) - 0.1
	}
	values[0], values[1], values[2] = float32(math.Inf(-1)), float32(math.NaN()), 65519
	doubles, bfloats := make([]byte, 8*len(values)), make([]byte, 2*len(values))
	for i, v := range values {
		le.PutUint64(doubles[8*i:], math.Float64bits(float64(v)))
		le.PutUint16(bfloats[2*i:], uint16(math.Float32bits(v)>>16))
	}
	shape := []int{len(values)}
	data, err := Marshal([]Tensor{
		FromFloat32s("F32", shape, values), FromFloat32sAsHalf("F16", shape, values),
		{Name: "F64", DType: Float64, Shape: shape, Data: doubles}, {Name: "BF16", DType: BFloat16, Shape: shape, Data: bfloats},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	onDisk, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer onDisk.Close()
	inMemory, err := OpenBytes("memory", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*File{onDisk, inMemory} {
		for _, name := range f.Names() {
			from, err := f.Float32s(name)
			if err != nil {
				t.Fatal(err)
			}
			for to, want := range map[DType][]byte{
				Float32: FromFloat32s("", shape, from).Data, Float16: FromFloat32sAsHalf("", shape, from).Data,
			} {
				s, err := f.Stream(name, "x", to)
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if err := s.Write(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
					t.Errorf("%s: %s as %s: %v, %d bytes, expected %d", f.Path(), name, to, err, got.Len(), len(want))
				}
			}
		}
	}
}

func TestStreamRefuses(t *testing.T) {
	wide := Tensor{Name: "x", DType: Float64, Shape: []int{1}, Data: le.AppendUint64(nil, math.Float64bits(1e300))}
	for _, c := range []struct {
		tensor Tensor
		to     DType
		want   string
	}{
		{FromFloat32s("x", []int{2}, []float32{1, 65520}), Float16, "65520 does not fit F16"},
		{FromFloat32s("x", []int{2}, []float32{-1e38, 0}), Float16, "-9.999999680285692e+37 does not fit F16"},
		{Tensor{Name: "x", DType: BFloat16, Shape: []int{1}, Data: []byte{0x7f, 0x7f}}, Float16, "does not fit F16"},
		{wide, Float32, "1e+300 does not fit F32"},
		{Tensor{Name: "x", DType: Float64, Shape: []int{1}, Data: le.AppendUint64(nil, math.Float64bits(65519.999999))}, Float16,
			"65519.999999 does not fit F16"}, // it is 65520 in float32
		{wide, Float16, "does not fit F16"},
		{FromInt64s("x", []int{1}, []int64{1}), Float32, "cannot be written as F32: its type is I64"},
		{FromFloat32s("x", []int{1}, []float32{1}), Int64, "cannot be written as I64"},
		{FromFloat32s("x", []int{1}, []float32{1}), BFloat16, "cannot be written as BF16"},
	} {
		data, err := Marshal([]Tensor{c.tensor}, nil)
		if err != nil {
			t.Fatal(err)
		}
		f, err := OpenBytes("m", data)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Stream("x", "x", c.to)
		if err == nil {
			err = s.Write(io.Discard)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s as %s: %v, expected %q", c.tensor.DType, c.to, err, c.want)
		}
		if _, err := f.Stream("y", "y", Float32); err == nil || !strings.Contains(err.Error(), `m: no tensor "y"`) {
			t.Errorf("a tensor that is not there: %v", err)
		}
	}
}

// TestWriteStreamsFails: a stream that fails, or is too short or too long,
// leaves no file.
func TestWriteStreamsFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	broken := errors.New("broken")
	stream := func(n int, err error) Stream {
		return Stream{"x", Float32, []int{2}, func(w io.Writer) error {
			if _, err := w.Write(make([]byte, n)); err != nil {
				return err
			}
			return err
		}}
	}
	for want, s := range map[string]Stream{
		"broken":                           stream(8, broken),
		"7 bytes were written, expected 8": stream(7, nil),
		"9 bytes were written, expected 8": stream(9, nil),
		"negative size":                    {"x", Float32, []int{-1}, nil},
		"is not allowed":                   {"", Float32, []int{1}, nil},
	} {
		err := WriteStreams(path, []Stream{s}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
			t.Errorf("%q left %v", want, left)
		}
	}
	if err := WriteStreams(path, []Stream{stream(8, broken)}, nil); !errors.Is(err, broken) {
		t.Errorf("%v, expected it to wrap %v", err, broken)
	}
}

// TestStreamMemory: converting a large tensor takes little memory.
func TestStreamMemory(t *testing.T) {
	const count = 64 << 20
	head := string(legacyFile(pDict(pText("a"), pTensor(pStorage("FloatStorage", "0", count), 0, []int64{count}, []int64{1})), pList(pText("0")))) +
		string(le.AppendUint64(nil, count))
	file := hole{int64(len(head)) + 4*count, map[int64]string{0: head}}
	f, err := parse("large", file, file.size)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Stream("a", "a", Float16)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	counted := &counter{w: io.Discard}
	if err := WriteStreamsTo(counted, []Stream{s}, nil); err != nil || counted.n < 2*count {
		t.Errorf("%d bytes, %v", counted.n, err)
	}
	runtime.ReadMemStats(&after)
	if cost := after.TotalAlloc - before.TotalAlloc; cost > 4<<20 {
		t.Errorf("%d MiB were set aside", cost>>20)
	}
}

// BenchmarkStreamHalf writes a float32 tensor as float16.
func BenchmarkStreamHalf(b *testing.B) {
	values := make([]float32, 1<<20)
	for i := range values {
		values[i] = float32(i%1000-500) / 10000
	}
	f := &File{path: "m", reader: bytes.NewReader(FromFloat32s("", nil, values).Data), index: map[string]int{"a": 0},
		tensors: []Tensor{{Name: "a", DType: Float32, Shape: []int{len(values)}, Length: 4 << 20}}}
	s, err := f.Stream("a", "a", Float16)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(4 << 20)
	for b.Loop() {
		if err := s.Write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
