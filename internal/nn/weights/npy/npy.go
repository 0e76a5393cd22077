package npy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/files"
)

// ErrFormat is wrapped by errors about files that Read and ReadNumbers cannot read.
var ErrFormat = errors.New("not a supported .npy file")

const (
	magic     = "\x93NUMPY\x01\x00"
	alignment = 64 // the contents begin at a multiple of it
)

// Write writes data, row-major, as an array of the given shape; an empty shape is a single number.
// The file is replaced atomically. It is an error if the shape does not have as many elements as
// data.
func Write(path string, shape []int, data []float32) error {
	return write(path, "<f4", shape, len(data), func(b *bufio.Writer) {
		var raw [4]byte
		for _, v := range data {
			binary.LittleEndian.PutUint32(raw[:], math.Float32bits(v))
			_, _ = b.Write(raw[:])
		}
	})
}

// WriteHalf is Write for the bits of IEEE 754 half-precision numbers.
func WriteHalf(path string, shape []int, data []uint16) error {
	return write(path, "<f2", shape, len(data), func(b *bufio.Writer) {
		var raw [2]byte
		for _, v := range data {
			binary.LittleEndian.PutUint16(raw[:], v)
			_, _ = b.Write(raw[:])
		}
	})
}

// write writes the header and the values, little endian. The buffer keeps its first error until it
// is flushed.
func write(path, kind string, shape []int, values int, encode func(*bufio.Writer)) error {
	head, err := header(kind, shape, values)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return files.Write(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<16)
		_, _ = b.Write(head)
		encode(b)
		return b.Flush()
	})
}

// header returns everything before the values: magic, length, and a Python dictionary, padded with
// spaces.
func header(kind string, shape []int, values int) ([]byte, error) {
	count, err := product(shape)
	if err != nil {
		return nil, err
	}
	if count != int64(values) {
		return nil, fmt.Errorf("%d values, expected %d for shape %v", values, count, shape)
	}
	sizes := make([]string, len(shape))
	for i, n := range shape {
		sizes[i] = strconv.Itoa(n)
	}
	tuple := "(" + strings.Join(sizes, ", ")
	if len(sizes) == 1 {
		tuple += "," // else Python reads a number in parentheses
	}
	dict := "{'descr': '" + kind + "', 'fortran_order': False, 'shape': " + tuple + "), }"
	total := len(magic) + 2 + len(dict) + 1
	total += (alignment - total%alignment) % alignment
	length := total - len(magic) - 2
	if length > math.MaxUint16 {
		return nil, fmt.Errorf("%d dimensions are too many", len(shape))
	}
	head := binary.LittleEndian.AppendUint16([]byte(magic), uint16(length))
	head = append(head, dict...)
	head = append(head, bytes.Repeat([]byte{' '}, total-len(head)-1)...)
	return append(head, '\n'), nil
}

// product returns the number of elements of a shape.
func product(shape []int) (int64, error) {
	const most = 1 << 44
	n := int64(1)
	for _, size := range shape {
		if size < 0 || size > most || (size > 0 && n > most/int64(size)) {
			return 0, fmt.Errorf("impossible shape %v", shape)
		}
		n *= int64(size)
	}
	return n, nil
}

var dictionary = regexp.MustCompile(
	`^\{'descr': '<f4', 'fortran_order': False, 'shape': \(((?:\d{1,15}, ?)*(?:\d{1,15})?)\), \}[ \n]*$`)

// Read reads a file of float32 in row-major order, version 1.0. For other .npy files the error
// wraps ErrFormat.
func Read(path string) (shape []int, data []float32, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	shape, data, err = decode(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
	}
	return shape, data, nil
}

func decode(raw []byte) (shape []int, data []float32, err error) {
	rest, ok := bytes.CutPrefix(raw, []byte(magic))
	if !ok || len(rest) < 2 {
		return nil, nil, errors.New("does not begin like version 1.0 of the format")
	}
	length := int(binary.LittleEndian.Uint16(rest))
	rest = rest[2:]
	if length > len(rest) {
		return nil, nil, fmt.Errorf("header of %d bytes, %d left", length, len(rest))
	}
	match := dictionary.FindSubmatch(rest[:length])
	if match == nil {
		return nil, nil, fmt.Errorf("header %q", strings.TrimSpace(string(rest[:length])))
	}
	rest = rest[length:]
	shape = []int{}
	for _, text := range strings.FieldsFunc(string(match[1]), func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, nil, err
		}
		shape = append(shape, n)
	}
	count, err := product(shape)
	if err != nil {
		return nil, nil, err
	}
	if int64(len(rest)) != 4*count {
		return nil, nil, fmt.Errorf("%d bytes of values, expected %d for shape %v", len(rest), 4*count, shape)
	}
	data = make([]float32, count)
	for i := range data {
		data[i] = math.Float32frombits(binary.LittleEndian.Uint32(rest[4*i:]))
	}
	return shape, data, nil
}
