package weights

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
)

// ErrFormat is wrapped by every error about a file whose contents are in no supported format or
// break its rules.
var ErrFormat = errors.New("not a valid weights file")

// ErrChanged is wrapped by errors about a file that was changed or replaced after it was opened.
var ErrChanged = errors.New("weights file has changed since it was opened")

// DType is the type of a tensor's numbers, spelled as in safetensors. In a file all of them are
// little endian.
type DType string

// The types of numbers that a file can contain.
const (
	Float64  DType = "F64"
	Float32  DType = "F32"
	Float16  DType = "F16"
	BFloat16 DType = "BF16"
	Int64    DType = "I64"
	Int32    DType = "I32"
	Int16    DType = "I16"
	Int8     DType = "I8"
	Uint64   DType = "U64"
	Uint32   DType = "U32"
	Uint16   DType = "U16"
	Uint8    DType = "U8"
	Bool     DType = "BOOL"
)

// Size returns the number of bytes of one number, 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case Float64, Int64, Uint64:
		return 8
	case Float32, Int32, Uint32:
		return 4
	case Float16, BFloat16, Int16, Uint16:
		return 2
	case Int8, Uint8, Bool:
		return 1
	}
	return 0
}

// Tensor is one named array.
type Tensor struct {
	Name  string
	DType DType
	Shape []int // empty for a single number

	// Data is the raw little-endian contents in row-major order. It is nil for a tensor of a file
	// that was opened by path, and for one that is not row-major in its file; File.Bytes and
	// File.Float32s read those.
	Data []byte

	// Offset is the place of the first number, in bytes from the start of the file, and Length the
	// number of bytes of the contents. Both are set by reading and ignored by writing.
	Offset, Length int64

	// Strides are the distances in the file, in numbers, between consecutive elements of each
	// dimension: 0 where a number is repeated, never negative. They are nil if the numbers are
	// consecutive and row-major in the Length bytes from Offset on. Set by reading and ignored by
	// writing.
	Strides []int
}

// Count returns the number of elements of the tensor, 1 for an empty shape.
func (t Tensor) Count() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// FromFloat32s makes a float32 tensor. It copies data, which must have as many values as the shape;
// otherwise Write returns an error.
func FromFloat32s(name string, shape []int, data []float32) Tensor {
	raw := make([]byte, 4*len(data))
	for i, v := range data {
		putUint32(raw[4*i:], math.Float32bits(v))
	}
	return Tensor{Name: name, DType: Float32, Shape: append([]int{}, shape...), Data: raw}
}

// Sum returns the SHA-256 of data as a float32 tensor stores them, little-endian.
func Sum(data []float32) [sha256.Size]byte {
	hash := sha256.New()
	var part [1 << 14]byte
	for len(data) > 0 {
		n := min(len(data), len(part)/4)
		for i, v := range data[:n] {
			putUint32(part[4*i:], math.Float32bits(v))
		}
		hash.Write(part[:4*n])
		data = data[n:]
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// FromFloat32sAsHalf makes a float16 tensor of data, each value rounded to nearest, ties to even;
// values beyond 65504 become infinite.
func FromFloat32sAsHalf(name string, shape []int, data []float32) Tensor {
	raw := make([]byte, 2*len(data))
	for i, v := range data {
		h := ToHalf(v)
		raw[2*i], raw[2*i+1] = byte(h), byte(h>>8)
	}
	return Tensor{Name: name, DType: Float16, Shape: append([]int{}, shape...), Data: raw}
}

// FromInt64s makes an int64 tensor. It copies data.
func FromInt64s(name string, shape []int, data []int64) Tensor {
	raw := make([]byte, 8*len(data))
	for i, v := range data {
		putUint32(raw[8*i:], uint32(v))
		putUint32(raw[8*i+4:], uint32(v>>32))
	}
	return Tensor{Name: name, DType: Int64, Shape: append([]int{}, shape...), Data: raw}
}

// byteLength returns the number of bytes of a tensor of this type and shape. It returns an error
// for unknown types, negative sizes and overflowing products.
func byteLength(dtype DType, shape []int) (int64, error) {
	size := int64(dtype.Size())
	if size == 0 {
		return 0, fmt.Errorf("unknown type %q", dtype)
	}
	if len(shape) > maxRank {
		return 0, fmt.Errorf("%d dimensions, at most %d are allowed", len(shape), maxRank)
	}
	length := size
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("negative size in shape %v", shape)
		}
		// A zero size makes the product zero, but the other sizes must not overflow later
		// multiplications either.
		if int64(d) > maxBytes {
			return 0, fmt.Errorf("size too large in shape %v", shape)
		}
		if d != 0 && length > maxBytes/int64(d) {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		length *= int64(d)
	}
	return length, nil
}

const (
	maxRank  = 32
	maxBytes = 1 << 46 // 64 TiB, far beyond any file and far from overflow
)

func putUint32(b []byte, v uint32) {
	_ = b[3]
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}
