package weights

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"
)

// counting counts the bytes that are read.
type counting struct {
	r     io.ReaderAt
	bytes int64
}

func (c *counting) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.r.ReadAt(p, at)
	c.bytes += int64(n)
	return n, err
}

// TestGather compares the result with reading every number separately, for tensors much larger than
// a chunk, and checks how much is read.
func TestGather(t *testing.T) {
	const count, before = 400_000, 12
	storage := make([]byte, before)
	for i := range count {
		storage = le.AppendUint32(storage, uint32(i)*2654435761)
	}
	for _, c := range []struct {
		first          int
		shape, strides []int
		reads          int64 // at most, in bytes
	}{
		{0, []int{500, 800}, []int{1, 500}, 4 * count},
		{0, []int{20, 25, 40, 20}, []int{20000, 1, 500, 25}, 4 * count}, // channels last
		{0, []int{10, 20, 30}, []int{1, 10, 200}, 4 * 6000},
		{3, []int{4, 1}, []int{100000, 7}, 4 * 4},
		{7, []int{100, 3}, []int{4000, 1}, 4 * 300},
		{7, []int{3, 100}, []int{1, 4000}, 4 * 300},
		{0, []int{40000, 5}, []int{10, 2}, 4 * count},
		{9, []int{300, 2, 400}, []int{1, 0, 300}, 4 * 120000},
		{count - 1, []int{2, 2}, []int{0, 0}, 4},
		{count - 2, []int{2, 1, 2}, []int{0, 5, 1}, 8},
	} {
		r := &counting{r: bytes.NewReader(storage)}
		f := &File{path: "m", reader: r}
		tensor := Tensor{Name: "a", DType: Float32, Shape: c.shape, Strides: c.strides, Offset: before + 4*int64(c.first)}
		tensor.Length = 4 * int64(tensor.Count())
		got, err := f.gather(tensor)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		each(c.shape, func(at []int) {
			i := c.first
			for d, n := range at {
				i += n * c.strides[d]
			}
			want = append(want, storage[before+4*i:][:4]...)
		})
		if !bytes.Equal(got, want) {
			t.Errorf("shape %v, strides %v: wrong numbers", c.shape, c.strides)
		}
		if r.bytes > c.reads {
			t.Errorf("shape %v, strides %v: %d bytes were read, expected at most %d", c.shape, c.strides, r.bytes, c.reads)
		}
		f.reader = bytes.NewReader(storage[:len(storage)-4*(count-c.first)])
		if _, err := f.gather(tensor); err == nil {
			t.Errorf("shape %v, strides %v: read from a file that is cut short", c.shape, c.strides)
		}
	}
}

// each calls f with every index of an array, the last one fastest.
func each(shape []int, f func(at []int)) {
	at := make([]int, len(shape))
	for {
		f(at)
		d := len(shape) - 1
		for ; d >= 0; d-- {
			if at[d]++; at[d] < shape[d] {
				break
			}
			at[d] = 0
		}
		if d < 0 {
			return
		}
	}
}

// TestShared: tensors may share numbers, within limits.
func TestShared(t *testing.T) {
	repeated := pTensor(pStorage("FloatStorage", "0", 4), 0, []int64{smallTensor / 4}, []int64{0})
	file := func(n int) []byte {
		items := []string{pText("first"), repeated + "q\x00"}
		for i := range n - 1 {
			items = append(items, pText(fmt.Sprint(i)), "h\x00")
		}
		return torchZip(t, pDict(items...), floats)
	}
	f, err := OpenBytes("shared", file(maxRepeats))
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Float32s("first")
	if err != nil || len(v) != smallTensor/4 || slices.Max(v) != 1 || slices.Min(v) != 1 {
		t.Errorf("%d numbers, %v; expected %d ones", len(v), err, smallTensor/4)
	}
	checkRefused(t, FormatPyTorch, file(2*maxRepeats), "share their numbers")
}

// Section agrees with Bytes: for a tensor in the file, one in another order, and one in memory.
func TestSection(t *testing.T) {
	storage := []byte("....abcdefghijklmnop")
	f := &File{path: "m", reader: bytes.NewReader(storage), index: map[string]int{"file": 0, "strided": 1, "memory": 2}, tensors: []Tensor{
		{Name: "file", DType: Int8, Shape: []int{2, 3}, Offset: 5, Length: 6},
		{Name: "strided", DType: Int8, Shape: []int{2, 3}, Strides: []int{1, 2}, Offset: 4, Length: 6},
		{Name: "memory", DType: Int8, Shape: []int{3}, Length: 3, Data: []byte("xyz")},
	}}
	for name, want := range map[string]string{"file": "bcdefg", "strided": "acebdf", "memory": "xyz"} {
		s, err := f.Section(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if err != nil || string(got) != want || s.Size() != int64(len(want)) {
			t.Errorf("%s: %q of %d bytes, %v; expected %q", name, got, s.Size(), err, want)
		}
		last := make([]byte, 1)
		if _, err := s.ReadAt(last, s.Size()-1); err != nil || last[0] != want[len(want)-1] {
			t.Errorf("%s: last byte %q, %v", name, last, err)
		}
	}
	if _, err := f.Section("none"); err == nil {
		t.Error("a tensor that is not there: no error")
	}
}
