package engine

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Port is an input or output of a model.
type Port struct {
	Name  string
	DType DType
	// Shape has -1 for an open dimension. nil: unknown; a scalar has an empty Shape.
	Shape []int
	// names of the open dimensions, parallel to Shape; "" for unnamed ones
	symbols []string
}

func (p Port) String() string {
	if p.Shape == nil {
		return p.DType.String()
	}
	words := make([]string, len(p.Shape))
	for i, d := range p.Shape {
		words[i] = strconv.Itoa(d)
		if d < 0 {
			words[i] = "?"
			if p.symbols[i] != "" {
				words[i] = p.symbols[i]
			}
		}
	}
	return p.DType.String() + " [" + strings.Join(words, " ") + "]"
}

// accepts reports whether a tensor fits.
func (p Port) accepts(t *Tensor) bool {
	if t.DType() != p.DType {
		return false
	}
	if p.Shape == nil {
		return true
	}
	return slices.EqualFunc(t.Shape(), p.Shape, func(got, want int) bool { return want < 0 || got == want })
}

// Field numbers from the ONNX project's onnx.proto.
const (
	modelGraph = 7

	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12

	tensorName = 8

	valueName = 1
	valueType = 2

	typeTensor = 1

	tensorTypeElem  = 1
	tensorTypeShape = 2

	shapeDim = 1

	dimValue = 1
	dimParam = 2
)

// modelPorts reads the inputs and outputs from a model's bytes: the binding needs their names, and
// asking the library would load the model a second time. Inputs with a value in the model are left
// out.
func modelPorts(model []byte) (inputs, outputs []Port, err error) {
	valued := map[string]bool{}
	err = eachField(model, func(n protowire.Number, graph []byte) error {
		if n != modelGraph {
			return nil
		}
		return eachField(graph, func(n protowire.Number, b []byte) error {
			switch n {
			case graphInitializer:
				return eachField(b, func(n protowire.Number, b []byte) error {
					if n == tensorName {
						valued[string(b)] = true
					}
					return nil
				})
			case graphInput, graphOutput:
				p, err := readPort(b)
				if err != nil {
					return err
				}
				if n == graphInput {
					inputs = append(inputs, p)
				} else {
					outputs = append(outputs, p)
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read model: %w", err)
	}
	inputs = slices.DeleteFunc(inputs, func(p Port) bool { return valued[p.Name] })
	if len(inputs) == 0 || len(outputs) == 0 {
		return nil, nil, fmt.Errorf("model has %d inputs and %d outputs, expected at least one of each", len(inputs), len(outputs))
	}
	return inputs, outputs, nil
}

func readPort(b []byte) (Port, error) {
	var p Port
	err := eachField(b, func(n protowire.Number, b []byte) error {
		switch n {
		case valueName:
			p.Name = string(b)
		case valueType:
			return eachField(b, func(n protowire.Number, b []byte) error {
				if n != typeTensor {
					return errors.New("a port that is not a tensor")
				}
				return p.readTensorType(b)
			})
		}
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("%q: %w", p.Name, err)
	}
	return p, nil
}

func (p *Port) readTensorType(b []byte) error {
	return eachField(b, func(n protowire.Number, b []byte) error {
		switch n {
		case tensorTypeElem:
			v, _ := protowire.ConsumeVarint(b)
			p.DType = DType(v)
		case tensorTypeShape:
			p.Shape, p.symbols = []int{}, []string{}
			return eachField(b, func(n protowire.Number, b []byte) error {
				if n != shapeDim {
					return nil
				}
				size, symbol := -1, ""
				err := eachField(b, func(n protowire.Number, b []byte) error {
					switch n {
					case dimValue:
						v, _ := protowire.ConsumeVarint(b)
						size = max(-1, int(v)) // a negative size means "open"
					case dimParam:
						symbol = string(b)
					}
					return nil
				})
				p.Shape, p.symbols = append(p.Shape, size), append(p.symbols, symbol)
				return err
			})
		}
		return nil
	})
}

// eachField calls f for every field of a message: with the contents of length-delimited fields,
// with the raw bytes of others.
func eachField(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("not an ONNX model: %w", protowire.ParseError(n))
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(number, kind, b)
		if n < 0 {
			return fmt.Errorf("not an ONNX model: %w", protowire.ParseError(n))
		}
		value := b[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(b)
		}
		if err := f(number, value); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// identityModel is the smallest possible model: y = x, float32 [1]. It tests that a device works.
func identityModel() []byte {
	message := func(n protowire.Number, fields ...[]byte) []byte {
		b := protowire.AppendTag(nil, n, protowire.BytesType)
		return protowire.AppendBytes(b, slices.Concat(fields...))
	}
	text := func(n protowire.Number, s string) []byte { return message(n, []byte(s)) }
	number := func(n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
	}
	port := func(n protowire.Number, name string) []byte {
		shape := message(tensorTypeShape, message(shapeDim, number(dimValue, 1)))
		return message(n, text(valueName, name),
			message(valueType, message(typeTensor, number(tensorTypeElem, uint64(Float32)), shape)))
	}
	const nodeInput, nodeOutput, nodeOp, graphNode, graphName = 1, 2, 4, 1, 2
	graph := message(modelGraph,
		message(graphNode, text(nodeInput, "x"), text(nodeOutput, "y"), text(nodeOp, "Identity")),
		text(graphName, "probe"), port(graphInput, "x"), port(graphOutput, "y"))
	const irVersion, opsetImport, opsetVersion = 1, 8, 2
	return slices.Concat(number(irVersion, 8), graph, message(opsetImport, number(opsetVersion, 17)))
}
