package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// affine is y = 2x + 1 for x float32 [N, 3].
func affine() []byte {
	var m testModel
	m.input("x", Float32, "N", 3)
	m.output("y", Float32, "N", 3)
	m.float32s("two", nil, 2)
	m.float32s("one", []int{3}, 1, 1, 1)
	m.node("Mul", "xx", "x", "two")
	m.node("Add", "y", "xx", "one")
	return m.bytes()
}

func load(t testing.TB, model []byte, o SessionOptions) *Session {
	t.Helper()
	s, err := open(t).Load(model, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func tensor[T Element](t testing.TB, shape []int, data ...T) *Tensor {
	t.Helper()
	x, err := New(shape, data)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestRun(t *testing.T) {
	s := load(t, affine(), SessionOptions{})
	if got := s.Inputs()[0].String(); got != "float32 [N 3]" {
		t.Errorf("input is %s", got)
	}
	out, err := s.Run(t.Context(), map[string]*Tensor{"x": tensor[float32](t, []int{2, 3}, 0, 1, 2, 3, 4, 5)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if y := out["y"]; !slices.Equal(y.Float32s(), []float32{1, 3, 5, 7, 9, 11}) || !slices.Equal(y.Shape(), []int{2, 3}) {
		t.Errorf("got %v %v", y.Shape(), y.Float32s())
	}
}

func TestRunWritesIntoTheCallersMemory(t *testing.T) {
	s := load(t, affine(), SessionOptions{})
	mine := make([]float32, 3)
	y, err := NewTensor([]int{1, 3}, mine)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]*Tensor{"y": y}
	for i := range 3 {
		out, err := s.Run(t.Context(), map[string]*Tensor{"x": tensor(t, []int{1, 3}, float32(i), 0, 0)}, given)
		if err != nil {
			t.Fatal(err)
		}
		if want := []float32{2*float32(i) + 1, 1, 1}; out["y"] != y || !slices.Equal(mine, want) {
			t.Errorf("got %v in the caller's memory, expected %v", mine, want)
		}
	}
}

func TestScalars(t *testing.T) {
	var m testModel
	m.input("x", Float32)
	m.output("y", Float32)
	m.node("Neg", "y", "x")
	s := load(t, m.bytes(), SessionOptions{})
	x, y := tensor[float32](t, nil, 3), tensor[float32](t, nil, 0)
	in := map[string]*Tensor{"x": x}
	if _, err := s.Run(t.Context(), in, map[string]*Tensor{"y": y}); err != nil || y.Float32s()[0] != -3 {
		t.Errorf("got %v, %v, expected -3", y.Float32s(), err)
	}
	x.Float32s()[0] = 4
	out, err := s.Run(t.Context(), in, nil)
	if err != nil || out["y"].Float32s()[0] != -4 || len(out["y"].Shape()) != 0 {
		t.Errorf("got %v, %v, expected -4 without dimensions", out["y"], err)
	}
}

func TestOtherTypes(t *testing.T) {
	var m testModel
	m.input("a", Int64, 2)
	m.input("b", Int64, 2)
	m.input("c", Float64, 1)
	m.output("less", Bool, 2)
	m.output("sum", Int64, 2)
	m.output("neg", Float64, 1)
	m.node("Less", "less", "a", "b")
	m.node("Add", "sum", "a", "b")
	m.node("Neg", "neg", "c")
	s := load(t, m.bytes(), SessionOptions{})
	out, err := s.Run(t.Context(), map[string]*Tensor{
		"a": tensor[int64](t, []int{2}, 1, 1<<40), "b": tensor[int64](t, []int{2}, 2, 3), "c": tensor(t, []int{1}, 0.1),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := out["less"].Bools(); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("less: got %v", got)
	}
	if got := out["sum"].Int64s(); !slices.Equal(got, []int64{3, 1<<40 + 3}) {
		t.Errorf("sum: got %v", got)
	}
	if got := out["neg"].Float64s(); !slices.Equal(got, []float64{-0.1}) {
		t.Errorf("neg: got %v", got)
	}
	if out["sum"].Float32s() != nil {
		t.Error("an int64 tensor gave float32 values")
	}
}

// Sizes that are known only after the run: the number of elements that are not zero.
func TestOutputsOfUnknownSize(t *testing.T) {
	var m testModel
	m.input("x", Float32, "N")
	m.output("at", Int64, 1, "found")
	m.node("NonZero", "at", "x")
	s := load(t, m.bytes(), SessionOptions{})
	out, err := s.Run(t.Context(), map[string]*Tensor{"x": tensor[float32](t, []int{4}, 0, 5, 0, 7)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if at := out["at"]; !slices.Equal(at.Int64s(), []int64{1, 3}) || !slices.Equal(at.Shape(), []int{1, 2}) {
		t.Errorf("got %v %v, expected [1 2] [1 3]", at.Shape(), at.Int64s())
	}
}

func TestRunErrors(t *testing.T) {
	s := load(t, affine(), SessionOptions{})
	good := tensor[float32](t, []int{1, 3}, 1, 2, 3)
	closed := tensor[float32](t, []int{1, 3}, 1, 2, 3)
	closed.Close()
	type tensors = map[string]*Tensor
	for name, c := range map[string]struct {
		in, out tensors
		want    []string
	}{
		"wrong name":   {tensors{"z": good}, nil, []string{`no input "z"`, "x"}},
		"missing":      {nil, nil, []string{`input "x" is missing`, "float32 [N 3]"}},
		"wrong shape":  {tensors{"x": tensor[float32](t, []int{1, 2}, 1, 2)}, nil, []string{`input "x"`, "[1 2]", "[N 3]"}},
		"wrong rank":   {tensors{"x": tensor[float32](t, []int{3}, 1, 2, 3)}, nil, []string{`input "x"`, "[3]", "[N 3]"}},
		"wrong dtype":  {tensors{"x": tensor[int64](t, []int{1, 3}, 1, 2, 3)}, nil, []string{`input "x"`, "int64", "float32"}},
		"closed":       {tensors{"x": closed}, nil, []string{`input "x"`, "closed"}},
		"output name":  {tensors{"x": good}, tensors{"q": good}, []string{`no output "q"`, "y"}},
		"output batch": {tensors{"x": good}, tensors{"y": tensor(t, []int{2, 3}, make([]float32, 6)...)}, []string{`output "y"`, "[2 3]", "[1 3]"}},
		"output dtype": {tensors{"x": good}, tensors{"y": tensor[bool](t, []int{1, 3}, false, false, false)}, []string{`output "y"`, "bool"}},
	} {
		_, err := s.Run(t.Context(), c.in, c.out)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, word := range c.want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: error does not say %q: %v", name, word, err)
			}
		}
	}
	s.Close()
	if _, err := s.Run(t.Context(), tensors{"x": good}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed session: got %v, expected ErrClosed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestBadModels(t *testing.T) {
	e := open(t)
	var unknown testModel
	unknown.input("x", Float32, 1)
	unknown.output("y", Float32, 1)
	unknown.node("NoSuchOperation", "y", "x")
	for name, model := range map[string][]byte{
		"empty": nil, "text": []byte("this is not a model"), "unknown operation": unknown.bytes(),
	} {
		if _, err := e.Load(model, SessionOptions{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// A truncated model gives an error or, if the lost part does not matter, a session; never a
	// crash.
	whole := affine()
	for n := range whole {
		if s, err := e.Load(whole[:n], SessionOptions{Threads: 1}); err == nil {
			s.Close()
		}
	}
}

func TestTensorShapes(t *testing.T) {
	for _, shape := range [][]int{{-1, 2}, {math.MaxInt, 2}, {1 << 31, 1 << 31}, {3}} {
		if _, err := NewTensor(shape, make([]float32, 2)); err == nil {
			t.Errorf("shape %v was taken for two elements", shape)
		}
	}
	if x, err := NewEmpty([]int{2, 0}); err != nil || x.Len() != 0 {
		t.Errorf("a tensor without elements: got %v, %v", x, err)
	}
	if _, err := NewZeros(DType(16), []int{1}); err == nil {
		t.Error("bfloat16 was taken")
	}
}

// Memory that only ONNX Runtime refers to must not be collected or reused during a run.
func TestUnderGarbageCollection(t *testing.T) {
	s := load(t, affine(), SessionOptions{})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 50 {
				n := 1 + (worker+i)%7*1000
				x, err := NewEmpty([]int{n, 3})
				if err != nil {
					t.Error(err)
					return
				}
				for k := range x.Float32s() {
					x.Float32s()[k] = float32(k)
				}
				in := map[string]*Tensor{"x": x}
				x = nil //nolint:wastedassign // the collector may take it from here on
				out, err := s.Run(context.Background(), in, nil)
				if err != nil {
					t.Error(err)
					return
				}
				runtime.GC()
				_ = make([]float32, 3*n) // takes the place of what was collected too early
				for k, v := range out["y"].Float32s() {
					if v != 2*float32(k)+1 {
						t.Errorf("run %d.%d: element %d is %g, expected %g", worker, i, k, v, 2*float32(k)+1)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestCloseWaitsForRuns(t *testing.T) {
	s := load(t, affine(), SessionOptions{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				_, err := s.Run(t.Context(), map[string]*Tensor{"x": tensor(t, []int{100, 3}, make([]float32, 300)...)}, nil)
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	time.Sleep(5 * time.Millisecond)
	s.Close()
	wg.Wait()
}

func TestRunStopsWithItsContext(t *testing.T) {
	const size = 512
	var m testModel
	m.input("x", Float32, size, size)
	m.output("y", Float32, size, size)
	at := "x"
	for i := range 3000 { // some 800 GFLOP, many seconds
		next := "x" + strconv.Itoa(i)
		m.node("MatMul", next, at, "x")
		at = next
	}
	m.node("Neg", "y", at)
	s := load(t, m.bytes(), SessionOptions{})
	x, err := NewEmpty([]int{size, size})
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(30*time.Millisecond, func() { cancel(cause) })
	start := time.Now()
	_, err = s.Run(ctx, map[string]*Tensor{"x": x}, nil)
	if !errors.Is(err, cause) {
		t.Errorf("got error %v, expected the context's cause", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("stopped after %v, expected well under what the run takes", took)
	}
	if _, err := s.Run(ctx, map[string]*Tensor{"x": x}, nil); !errors.Is(err, cause) {
		t.Errorf("started with an ended context: got %v", err)
	}
}

func TestExternalWeights(t *testing.T) {
	dir := t.TempDir()
	raw := []byte("some header")
	for _, v := range []float32{10, 20, 30} {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	write(t, filepath.Join(dir, "folder", "weights.bin"), string(raw))
	model := func(location string) []byte {
		var m testModel
		m.input("x", Float32, 3)
		m.output("y", Float32, 3)
		m.external("w", []int{3}, location, "offset", "11", "length", "12")
		m.node("Add", "y", "x", "w")
		return m.bytes()
	}
	for _, o := range []SessionOptions{{}, {LowMemory: true}, {LowMemory: true, NoArena: true, Spin: true, Threads: 1}} {
		o.ExternalFolder = filepath.Join(dir, "folder")
		s := load(t, model("weights.bin"), o)
		out, err := s.Run(t.Context(), map[string]*Tensor{"x": tensor[float32](t, []int{3}, 1, 2, 3)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := out["y"].Float32s(); !slices.Equal(got, []float32{11, 22, 33}) {
			t.Errorf("%+v: got %v", o, got)
		}
	}
	if _, err := open(t).Load(model("missing.bin"), SessionOptions{ExternalFolder: filepath.Join(dir, "folder")}); err == nil {
		t.Error("a missing weights file was taken")
	}
	write(t, filepath.Join(dir, "outside.bin"), string(raw))
	if _, err := open(t).Load(model("../outside.bin"), SessionOptions{ExternalFolder: filepath.Join(dir, "folder")}); err == nil {
		t.Error("weights outside the folder were taken")
	}
	if err := os.Truncate(filepath.Join(dir, "outside.bin"), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t).Load(model("outside.bin"), SessionOptions{ExternalFolder: dir}); err == nil {
		t.Error("a weights file that is too short was taken")
	}
}

func FuzzModelPorts(f *testing.F) {
	f.Add(affine())
	f.Add(identityModel())
	f.Add([]byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, model []byte) {
		inputs, outputs, err := modelPorts(model)
		for _, p := range append(inputs, outputs...) {
			_ = p.String()
			if err == nil && len(p.Shape) != len(p.symbols) {
				t.Errorf("%q: %d dimensions, %d names", p.Name, len(p.Shape), len(p.symbols))
			}
		}
	})
}
