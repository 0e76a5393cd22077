package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

var (
	keyKind    = regexp.MustCompile(`['"]descr['"]: *['"]([<>|=]?[a-z]\d+)['"]`)
	keyFortran = regexp.MustCompile(`['"]fortran_order['"]: *(True|False)`)
	keyShape   = regexp.MustCompile(`['"]shape['"]: *\(((?:\d{1,15}, *)*(?:\d{1,15})?),?\)`)
)

// ReadNumbers reads a file of floating-point numbers of 16, 32 or 64 bits, of unsigned integers of
// 8 or 16 bits, or of bools, little endian, in row-major or column-major order, of any version of
// the format. The values are returned as float32 in row-major order; kind is NumPy's name without
// the byte order: "f2", "f4", "f8", "u1", "u2" or "b1". For other kinds the error wraps ErrFormat.
func ReadNumbers(path string) (kind string, shape []int, data []float32, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", nil, nil, err
	}
	if kind, shape, data, err = decodeNumbers(raw); err != nil {
		return "", nil, nil, fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
	}
	return kind, shape, data, nil
}

func decodeNumbers(raw []byte) (kind string, shape []int, data []float32, err error) {
	head, rest, err := splitHeader(raw)
	if err != nil {
		return "", nil, nil, err
	}
	match := keyKind.FindStringSubmatch(head)
	fortran := keyFortran.FindStringSubmatch(head)
	size := keyShape.FindStringSubmatch(head)
	if match == nil || fortran == nil || size == nil {
		return "", nil, nil, fmt.Errorf("header %q", strings.TrimSpace(head))
	}
	shape = []int{}
	for _, text := range strings.FieldsFunc(size[1], func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return "", nil, nil, err
		}
		shape = append(shape, n)
	}
	count, err := product(shape)
	if err != nil {
		return "", nil, nil, err
	}
	kind = strings.TrimLeft(match[1], "<|=")
	width, number := numberOf(kind)
	if number == nil {
		return "", nil, nil, fmt.Errorf("values of kind %q: expected <f2, <f4, <f8, |u1, <u2 or |b1", match[1])
	}
	if int64(len(rest)) != int64(width)*count {
		return "", nil, nil, fmt.Errorf("%d bytes of values, expected %d for shape %v", len(rest), int64(width)*count, shape)
	}
	data = make([]float32, count)
	for i := range data {
		data[i] = number(rest[i*width:])
	}
	if fortran[1] == "True" {
		data = rowMajor(data, shape)
	}
	return kind, shape, data, nil
}

// splitHeader separates the dictionary from the values.
func splitHeader(raw []byte) (head string, rest []byte, err error) {
	const start = len("\x93NUMPY") + 2
	if len(raw) < start+4 || string(raw[:start-2]) != "\x93NUMPY" {
		return "", nil, errors.New("does not begin like a .npy file")
	}
	length, at := int64(binary.LittleEndian.Uint16(raw[start:])), int64(start+2)
	if version := raw[start-2]; version >= 2 && version <= 3 {
		length, at = int64(binary.LittleEndian.Uint32(raw[start:])), int64(start+4)
	} else if version != 1 {
		return "", nil, fmt.Errorf("version %d", version)
	}
	if at+length > int64(len(raw)) {
		return "", nil, fmt.Errorf("header of %d bytes, %d left", length, int64(len(raw))-at)
	}
	return string(raw[at : at+length]), raw[at+length:], nil
}

// numberOf returns the width of a kind of numbers in bytes and the function that reads one; nil for
// other kinds.
func numberOf(kind string) (width int, read func(b []byte) float32) {
	switch kind {
	case "f2":
		return 2, func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) }
	case "f4":
		return 4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
	case "f8":
		return 8, func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) }
	case "u1", "b1":
		return 1, func(b []byte) float32 { return float32(b[0]) }
	case "u2":
		return 2, func(b []byte) float32 { return float32(binary.LittleEndian.Uint16(b)) }
	}
	return 0, nil
}

// half returns the value of an IEEE 754 half-precision number.
func half(bits uint16) float32 {
	sign, exponent, fraction := float64(1), int(bits>>10&31), float64(bits&1023)
	if bits>>15 == 1 {
		sign = -1
	}
	switch {
	case exponent == 31 && fraction != 0:
		return float32(math.NaN())
	case exponent == 31:
		return float32(sign * math.Inf(1))
	case exponent == 0:
		return float32(sign * math.Ldexp(fraction, -24))
	}
	return float32(sign * math.Ldexp(1024+fraction, exponent-25))
}

// rowMajor converts values from column-major to row-major order.
func rowMajor(data []float32, shape []int) []float32 {
	out := make([]float32, len(data))
	at := make([]int, len(shape))
	for i := range out {
		from, stride := 0, 1
		for d, n := range shape {
			from += at[d] * stride
			stride *= n
		}
		out[i] = data[from]
		for d := len(shape) - 1; d >= 0; d-- {
			if at[d]++; at[d] < shape[d] {
				break
			}
			at[d] = 0
		}
	}
	return out
}
