package engine

import (
	"fmt"
	"math"
	"slices"

	ort "github.com/yalue/onnxruntime_go"
)

// DType is the type of a tensor's elements, numbered as ONNX numbers them (TensorProto.DataType).
type DType int32

// The element types that tensors of this package can have.
const (
	Float32 DType = 1
	Uint8   DType = 2
	Int64   DType = 7
	Bool    DType = 9
	Float64 DType = 11
)

func (d DType) String() string {
	switch d {
	case Float32:
		return "float32"
	case Uint8:
		return "uint8"
	case Int64:
		return "int64"
	case Bool:
		return "bool"
	case Float64:
		return "float64"
	}
	return fmt.Sprintf("ONNX type %d", int32(d))
}

// Element is a type of tensor elements.
type Element interface {
	float32 | float64 | int64 | uint8 | bool
}

// Tensor is an array with a shape in Go memory, row-major. It needs no resources outside Go: the
// garbage collector frees it, and a session lends the memory to ONNX Runtime only during Run.
// Several Runs may read a tensor at once; a tensor that a Run writes to must not be used elsewhere
// until that Run has returned.
type Tensor struct {
	shape []int
	data  array // nil after Close
}

// array is a slice of one of the element types.
type array interface {
	dtype() DType
	length() int
	slice() any
	value(shape []int) (ort.Value, error) // an ONNX Runtime value with the same memory
	pointer() any                         // to the first element, for pinning; nil if there is none
	fetch(v ort.Value)                    // copies the result if value could not share the memory
}

// NewTensor wraps data, without copying it, as a float32 tensor. The length of data must be the
// product of shape's dimensions; an empty shape is a scalar, which has one element.
func NewTensor(shape []int, data []float32) (*Tensor, error) { return New(shape, data) }

// NewEmpty makes a float32 tensor of zeros.
func NewEmpty(shape []int) (*Tensor, error) { return NewZeros(Float32, shape) }

// New wraps data, without copying it, as a tensor of data's type. See NewTensor.
func New[T Element](shape []int, data []T) (*Tensor, error) {
	n, err := elements(shape)
	if err != nil {
		return nil, err
	}
	if n != len(data) {
		return nil, fmt.Errorf("tensor of shape %v needs %d elements, got %d", shape, n, len(data))
	}
	return &Tensor{shape: slices.Clone(shape), data: typed[T](data)}, nil
}

// NewZeros makes a tensor of zeros (false) of any type.
func NewZeros(dtype DType, shape []int) (*Tensor, error) {
	n, err := elements(shape)
	if err != nil {
		return nil, err
	}
	switch dtype {
	case Float32:
		return New(shape, make([]float32, n))
	case Float64:
		return New(shape, make([]float64, n))
	case Int64:
		return New(shape, make([]int64, n))
	case Uint8:
		return New(shape, make([]uint8, n))
	case Bool:
		return New(shape, make([]bool, n))
	}
	return nil, fmt.Errorf("tensors of %v are not supported", dtype)
}

// elements returns the product of the dimensions.
func elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("tensor shape %v has a negative dimension", shape)
		}
		// The size in bytes must fit into an int as well.
		if d > 0 && n > math.MaxInt/8/d {
			return 0, fmt.Errorf("tensor shape %v is too large", shape)
		}
		n *= d
	}
	return n, nil
}

// Shape returns the dimensions; empty for a scalar. The slice must not be changed.
func (t *Tensor) Shape() []int { return t.shape }

// DType returns the type of the elements, 0 after Close.
func (t *Tensor) DType() DType {
	if t.data == nil {
		return 0
	}
	return t.data.dtype()
}

// Len returns the number of elements, 0 after Close.
func (t *Tensor) Len() int {
	if t.data == nil {
		return 0
	}
	return t.data.length()
}

// Float32s returns the tensor's own memory; nil if its elements are not float32 or it is closed.
func (t *Tensor) Float32s() []float32 { return Data[float32](t) }

// Float64s is Float32s for float64 tensors.
func (t *Tensor) Float64s() []float64 { return Data[float64](t) }

// Int64s is Float32s for int64 tensors.
func (t *Tensor) Int64s() []int64 { return Data[int64](t) }

// Bools is Float32s for bool tensors.
func (t *Tensor) Bools() []bool { return Data[bool](t) }

// Data returns the tensor's own memory; nil if its elements are of another type or it is closed.
func Data[T Element](t *Tensor) []T {
	if t.data == nil {
		return nil
	}
	d, _ := t.data.slice().([]T)
	return d
}

// Close releases the memory early; using the tensor in a Run afterwards is an error. It is
// optional: an unreferenced tensor is collected like any Go value.
func (t *Tensor) Close() { t.data = nil }

// typed is the array over a slice of T.
type typed[T Element] []T

func (a typed[T]) length() int { return len(a) }
func (a typed[T]) slice() any  { return []T(a) }

func (a typed[T]) dtype() DType {
	switch any(a).(type) {
	case typed[float64]:
		return Float64
	case typed[int64]:
		return Int64
	case typed[uint8]:
		return Uint8
	case typed[bool]:
		return Bool
	}
	return Float32
}

func (a typed[T]) pointer() any {
	if len(a) == 0 {
		return nil
	}
	return &a[0]
}

func (a typed[T]) value(shape []int) (ort.Value, error) {
	if len(shape) == 0 { // the binding's tensors have at least one dimension; its scalars copy
		return ort.NewScalar(a[0])
	}
	dims := make(ort.Shape, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	return ort.NewTensor(dims, []T(a))
}

func (a typed[T]) fetch(v ort.Value) {
	if s, ok := v.(*ort.Scalar[T]); ok {
		a[0] = s.GetData()
	}
}

// fromValue returns a tensor for a value that ONNX Runtime allocated; the binding has copied it
// into Go memory.
func fromValue(v ort.Value) (*Tensor, error) {
	shape := make([]int, 0, 4)
	for _, d := range v.GetShape() {
		shape = append(shape, int(d))
	}
	switch v := v.(type) {
	case *ort.Tensor[float32]:
		return New(shape, v.GetData())
	case *ort.Tensor[float64]:
		return New(shape, v.GetData())
	case *ort.Tensor[int64]:
		return New(shape, v.GetData())
	case *ort.Tensor[uint8]:
		return New(shape, v.GetData())
	case *ort.Tensor[bool]:
		return New(shape, v.GetData())
	}
	return nil, fmt.Errorf("got a value of %v, which is not supported", DType(v.DataType()))
}
