package weights

import (
	"fmt"
	"io"
	"math"
)

// Stream is the tensor of that name, to be written under the name as and in the
// type dtype, read from the file piece by piece. dtype is the tensor's own or,
// where that is a floating-point one, Float32 or Float16, each number rounded to
// nearest, to even on a tie (from float64 to float16 by way of float32). A
// finite number beyond the new type's range ends the writing with an error:
// such a tensor has to stay as wide as it is.
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
		return Stream{}, fmt.Errorf("%s: tensor %q cannot be written as %s: it holds %s", f.path, name, dtype, t.DType)
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

// converter converts raw numbers, at most a chunk of them, of one
// floating-point type to another. What it gives is good until the next call.
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

// toFloat32 tells whether any of the numbers is not finite.
func toFloat32(dst []byte, src []float32) (extreme bool) {
	for i, v := range src {
		bits := math.Float32bits(v)
		extreme = extreme || bits&0x7f800000 == 0x7f800000
		le.PutUint32(dst[4*i:], bits)
	}
	return extreme
}

// toHalf tells whether any of the numbers is not finite as a half.
func toHalf(dst []byte, src []float32) (extreme bool) {
	for i, v := range src {
		h := ToHalf(v)
		extreme = extreme || h&0x7c00 == 0x7c00
		le.PutUint16(dst[2*i:], h)
	}
	return extreme
}

// checkRange refuses finite numbers that become infinite in another type.
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
