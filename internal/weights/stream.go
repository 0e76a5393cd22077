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

// converter converts raw numbers of one floating-point type to another. What it
// gives is good until the next call.
func converter(from, to DType) func(part []byte) ([]byte, error) {
	toFloats := floatReader(from)
	var floats []float32
	var out []byte
	return func(part []byte) ([]byte, error) {
		n := len(part) / from.Size()
		if cap(floats) < n {
			floats, out = make([]float32, n), make([]byte, n*to.Size())
		}
		floats, out = floats[:n], out[:n*to.Size()]
		toFloats(floats, part)
		for i, v := range floats {
			infinite := math.IsInf(float64(v), 0)
			if to == Float16 {
				h := ToHalf(v)
				le.PutUint16(out[2*i:], h)
				infinite = h&0x7fff == 0x7c00
			} else {
				le.PutUint32(out[4*i:], math.Float32bits(v))
			}
			if infinite && !infiniteAt(part, i, from) {
				return nil, fmt.Errorf("a number of about %g does not fit %s", v, to)
			}
		}
		return out, nil
	}
}

// infiniteAt tells whether number i of raw ones is infinite.
func infiniteAt(part []byte, i int, dtype DType) bool {
	if dtype == Float64 {
		return math.IsInf(math.Float64frombits(le.Uint64(part[8*i:])), 0)
	}
	var v [1]float32
	floatReader(dtype)(v[:], part[i*dtype.Size():])
	return math.IsInf(float64(v[0]), 0)
}
