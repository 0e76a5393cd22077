package weights

import (
	"fmt"
	"io"
	"math"
)

// Stream returns the tensor called name, to be written as a tensor called as with the type dtype.
// Its contents are read from the file in pieces. dtype is the tensor's own type or, for a
// floating-point tensor, Float32 or Float16. Numbers are rounded to nearest, ties to even; from
// float64 to float16 by way of float32. A finite number beyond the range of dtype is an error while
// writing: such a tensor must keep its type.
func (f *File) Stream(name, as string, dtype DType) (Stream, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return Stream{}, fmt.Errorf("%s: no tensor %q", f.path, name)
	}
	s := Stream{Name: as, DType: dtype, Shape: t.Shape}
	if dtype == t.DType {
		s.Write = func(w io.Writer) error {
			return f.read(t, func(_ int64, part []byte) error { _, err := w.Write(part); return err })
		}
		return s, nil
	}
	if floatReader(t.DType) == nil || dtype != Float32 && dtype != Float16 {
		return Stream{}, fmt.Errorf("%s: tensor %q cannot be written as %s: its type is %s", f.path, name, dtype, t.DType)
	}
	s.Write = func(w io.Writer) error {
		convert := converter(t.DType, dtype)
		return f.read(t, func(at int64, part []byte) error {
			out, err := convert(part)
			if err != nil {
				return err
			}
			_, err = w.Write(out)
			return err
		})
	}
	return s, nil
}

// StreamFloat32s returns a float32 tensor whose values are computed when it is written.
func StreamFloat32s(name string, shape []int, values func() ([]float32, error)) Stream {
	return Stream{Name: name, DType: Float32, Shape: shape, Write: func(w io.Writer) error {
		data, err := values()
		if err != nil {
			return err
		}
		var part [chunk]byte
		for len(data) > 0 {
			n := min(len(data), len(part)/Float32.Size())
			toFloat32(part[:], data[:n])
			if _, err := w.Write(part[:n*Float32.Size()]); err != nil {
				return err
			}
			data = data[n:]
		}
		return nil
	}}
}

// converter returns a function that converts raw numbers, at most a chunk of them, from one
// floating-point type to another. Its result is valid until the next call.
func converter(from, to DType) func(part []byte) ([]byte, error) {
	toFloats, fromFloats := floatReader(from), toFloat32
	if to == Float16 {
		fromFloats = toHalf
	}
	floats := make([]float32, chunk/from.Size())
	buffer := make([]byte, len(floats)*to.Size())
	return func(part []byte) ([]byte, error) {
		n := len(part) / from.Size()
		out := buffer[:n*to.Size()]
		toFloats(floats[:n], part)
		if fromFloats(out, floats[:n]) {
			return out, checkRange(part, from, to)
		}
		return out, nil
	}
}

// toFloat32 reports whether any of the numbers is not finite.
func toFloat32(dst []byte, src []float32) (extreme bool) {
	for i, v := range src {
		bits := math.Float32bits(v)
		extreme = extreme || bits&0x7f800000 == 0x7f800000
		le.PutUint32(dst[4*i:], bits)
	}
	return extreme
}

// toHalf reports whether any of the numbers is not finite in half precision.
func toHalf(dst []byte, src []float32) (extreme bool) {
	for i, v := range src {
		h := ToHalf(v)
		extreme = extreme || h&0x7c00 == 0x7c00
		le.PutUint16(dst[2*i:], h)
	}
	return extreme
}

// checkRange returns an error for finite numbers that become infinite in another type.
func checkRange(part []byte, from, to DType) error {
	var v [1]float32
	for ; len(part) > 0; part = part[from.Size():] {
		floatReader(from)(v[:], part)
		value, result := float64(v[0]), v[0]
		if from == Float64 {
			value = math.Float64frombits(le.Uint64(part))
		}
		if to == Float16 {
			result = FromHalf(ToHalf(v[0]))
		}
		if math.IsInf(float64(result), 0) && !math.IsInf(value, 0) {
			return fmt.Errorf("%g does not fit %s", value, to)
		}
	}
	return nil
}
