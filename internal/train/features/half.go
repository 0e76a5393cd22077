package features

import (
	"encoding/binary"
	"math"

	"github.com/declip/declip/internal/nn/weights"
)

// Kinds of records.
const (
	float32s uint32 = iota
	float16s
)

// width is the size of a value in bytes; 0 for an unknown kind.
func width(kind uint32) int {
	switch kind {
	case float32s:
		return 4
	case float16s:
		return 2
	}
	return 0
}

const largestHalf = 65504

// halves says whether all values are within the range of half precision, and none is NaN.
func halves(values []float32) bool {
	for _, v := range values {
		if !(v >= -largestHalf && v <= largestHalf) {
			return false
		}
	}
	return true
}

// RoundToHalf rounds values as a record of halves does: to the nearest half-precision numbers, ties
// to even. If any value is too large for half precision, all stay unchanged, in the record, too.
func RoundToHalf(values []float32) {
	if !halves(values) {
		return
	}
	for i, v := range values {
		values[i] = fromHalf(weights.ToHalf(v))
	}
}

func encode(values []float32, half bool) ([]byte, uint32) {
	if half && halves(values) {
		b := make([]byte, 2*len(values))
		for i, v := range values {
			binary.LittleEndian.PutUint16(b[2*i:], weights.ToHalf(v))
		}
		return b, float16s
	}
	b := make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
	}
	return b, float32s
}

func decode(dst []float32, data []byte, kind uint32) {
	if kind == float16s {
		data = data[:2*len(dst)]
		for i := range dst {
			dst[i] = fromHalf(binary.LittleEndian.Uint16(data[2*i:]))
		}
		return
	}
	data = data[:4*len(dst)]
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
}

// fromHalf is the value of a finite half. Its exponent and fraction, moved to the bits of a
// float32, make a number that is too small by the difference of the exponents' biases; this holds
// for subnormals, too.
func fromHalf(h uint16) float32 {
	const offsets = 0x1p112
	small := math.Float32frombits(uint32(h&0x7fff) << 13)
	return math.Float32frombits(math.Float32bits(small*offsets) | uint32(h&0x8000)<<16)
}
