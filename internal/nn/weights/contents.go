package weights

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
)

// chunk is the number of bytes that are read at a time.
const chunk = 256 << 10

// Bytes returns the raw little-endian contents of a tensor in row-major order. For a row-major
// tensor in memory the slice is part of the file and must not be changed; otherwise the contents
// are read from the file.
func (f *File) Bytes(name string) ([]byte, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: no tensor %q", f.path, name)
	}
	if t.Data != nil {
		return t.Data, nil
	}
	data := make([]byte, t.Length)
	err := f.read(t, func(at int64, part []byte) error { copy(data[at:], part); return nil })
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Section returns the contents of Bytes as a reader, without reading a row-major tensor into
// memory. It may be used by several goroutines until the file is closed.
func (f *File) Section(name string) (*io.SectionReader, error) {
	if t, ok := f.Tensor(name); ok && t.Data == nil && t.Strides == nil {
		return io.NewSectionReader(f.reader, t.Offset, t.Length), nil
	}
	data, err := f.Bytes(name)
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), nil
}

// Float32s returns the contents of a floating-point tensor of any width as float32, in row-major
// order, in a new slice of Count values. float16 and bfloat16 convert exactly, float64 is rounded
// to nearest. Integer tensors are an error.
func (f *File) Float32s(name string) ([]float32, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: no tensor %q", f.path, name)
	}
	convert := floatReader(t.DType)
	if convert == nil {
		return nil, fmt.Errorf("%s: tensor %q has type %s, expected a floating-point type", f.path, name, t.DType)
	}
	out := make([]float32, t.Count())
	size := t.DType.Size()
	err := f.read(t, func(at int64, part []byte) error {
		first := int(at) / size
		convert(out[first:first+len(part)/size], part)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// read calls use with the contents of a tensor in row-major order, in parts of whole numbers, and
// with the offset of each part in bytes. A part is valid until use returns. Errors of reading name
// the file and the tensor; errors of use are returned unchanged.
func (f *File) read(t Tensor, use func(at int64, part []byte) error) error {
	named := func(err error) error { return fmt.Errorf("%s: tensor %q: %w", f.path, t.Name, err) }
	buffer := t.Data
	if t.Strides != nil {
		var err error
		if buffer, err = f.gather(t); err != nil {
			return named(err)
		}
	}
	whole := buffer != nil
	if !whole {
		buffer = make([]byte, min(t.Length, chunk))
	}
	for at := int64(0); at < t.Length; at += chunk {
		n := min(t.Length-at, chunk)
		part := buffer[:n]
		if whole {
			part = buffer[at : at+n]
		} else if err := readFull(f.reader, part, t.Offset+at); err != nil {
			return named(err)
		}
		if err := use(at, part); err != nil {
			return err
		}
	}
	return nil
}

// gather returns the contents of a tensor that is not row-major in the file. It visits the numbers
// in the order of the file, so that each part of the file is read once, and stores each at its
// place.
func (f *File) gather(t Tensor) ([]byte, error) {
	out := make([]byte, t.Length)
	size := t.DType.Size()
	dims := byStride(t.Shape, t.Strides)
	slices.Reverse(dims) // the last one is the fastest
	steps := make([]int, len(t.Shape))
	for i, step := len(steps)-1, size; i >= 0; i-- {
		steps[i] = step
		step *= t.Shape[i]
	}
	w := newWindow(f.reader, t, dims)
	counter := make([]int, len(dims))
	from, to := t.Offset, 0
	for {
		number, err := w.at(from, size)
		if err != nil {
			return nil, err
		}
		copy(out[to:], number)
		i := len(dims) - 1
		for ; i >= 0; i-- {
			d := dims[i]
			stride := int64(t.Strides[d]) * int64(size)
			if counter[i]++; counter[i] < t.Shape[d] {
				from, to = from+stride, to+steps[d]
				break
			}
			counter[i] = 0
			from, to = from-stride*int64(t.Shape[d]-1), to-steps[d]*(t.Shape[d]-1)
		}
		if i < 0 {
			return out, nil
		}
	}
}

// newWindow returns a window for a tensor whose numbers are gathered along dims, the last one
// fastest. The window is as wide as the longest run of the fastest dimensions of which at least a
// sixteenth is used, so that numbers far apart are read one by one.
func newWindow(r io.ReaderAt, t Tensor, dims []int) *window {
	size := int64(t.DType.Size())
	end, run, used, dense := t.Offset+size, size, size, true
	for _, d := range slices.Backward(dims) {
		n, stride := int64(t.Shape[d]), int64(t.Strides[d])*size
		end += (n - 1) * stride
		if stride > 0 {
			used *= n
		}
		if dense = dense && run+(n-1)*stride <= 16*used; dense {
			run += (n - 1) * stride
		}
	}
	return &window{reader: r, end: end, memory: make([]byte, min(run, chunk))}
}

// window reads numbers at increasing offsets through a buffer.
type window struct {
	reader io.ReaderAt
	end    int64 // of the tensor, in the file
	memory []byte
	buffer []byte // the part of memory that was read last
	start  int64  // of the buffer, in the file
}

// at returns the number at an offset in the file, valid until the next call.
func (w *window) at(from int64, size int) ([]byte, error) {
	i := from - w.start
	if i < 0 || i+int64(size) > int64(len(w.buffer)) {
		w.buffer = w.memory[:min(int64(len(w.memory)), w.end-from)]
		if err := readFull(w.reader, w.buffer, from); err != nil {
			return nil, err
		}
		w.start, i = from, 0
	}
	return w.buffer[i : i+int64(size)], nil
}

// floatReader returns the function that converts raw contents of a type to float32, or nil if the
// type is not a floating-point type.
func floatReader(dtype DType) func(dst []float32, src []byte) {
	switch dtype {
	case Float32:
		return fromFloat32
	case Float16:
		return fromHalf
	case BFloat16:
		return fromBFloat16
	case Float64:
		return fromFloat64
	}
	return nil
}

// The loops are separate functions: the compiler does not inline calls in a closure, which makes
// the loops four times as slow.

func fromFloat32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
	}
}

func fromHalf(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = FromHalf(le.Uint16(src[2*i:]))
	}
}

func fromBFloat16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = FromBFloat16(le.Uint16(src[2*i:]))
	}
}

func fromFloat64(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
	}
}
