package graph

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrTooLarge is wrapped by the error about a model that is too large for an ONNX file.
var ErrTooLarge = errors.New("model is too large for an ONNX file")

// maxModel is the longest a protobuf message may be, in bytes.
const maxModel = math.MaxInt32

// Inline writes to w a model that Encode made, and replaces references to other files by the values
// in these files. open returns a reader of the section of a file that an initializer refers to. The
// output is streamed, so it may be larger than memory. For a model that would exceed 2 GiB, the
// limit of protobuf messages, the error wraps ErrTooLarge and nothing is written.
func Inline(w io.Writer, model []byte, open func(location string, offset, length int64) io.Reader) error {
	var in inliner
	if err := in.model(model); err != nil {
		return fmt.Errorf("graph: inline: %w", err)
	}
	if in.size > maxModel {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, in.size, maxModel)
	}
	for _, p := range in.pieces {
		if _, err := w.Write(p.bytes); err != nil {
			return err
		}
		if p.location == "" {
			continue
		}
		n, err := io.Copy(w, open(p.location, p.offset, p.length))
		if err == nil && n != p.length {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("graph: inline %q: %w", p.location, err)
		}
	}
	return nil
}

// piece is a part of the new model: bytes, followed by a section of a file if there is a location.
type piece struct {
	bytes          message
	location       string
	offset, length int64
}

// inliner collects the pieces of a message, whose size must be known before it is written.
type inliner struct {
	pieces []piece
	size   int64
}

// last returns the piece that bytes are appended to.
func (in *inliner) last() *message {
	if n := len(in.pieces); n == 0 || in.pieces[n-1].location != "" {
		in.pieces = append(in.pieces, piece{})
	}
	return &in.pieces[len(in.pieces)-1].bytes
}

func (in *inliner) put(b []byte) {
	*in.last() = append(*in.last(), b...)
	in.size += int64(len(b))
}

// nest adds another message as a field.
func (in *inliner) nest(field protowire.Number, inner inliner) {
	var head message
	head = protowire.AppendTag(head, field, protowire.BytesType)
	in.put(protowire.AppendVarint(head, uint64(inner.size)))
	for _, p := range inner.pieces {
		in.put(p.bytes)
		if p.location != "" {
			last := &in.pieces[len(in.pieces)-1]
			last.location, last.offset, last.length = p.location, p.offset, p.length
			in.size += p.length
		}
	}
}

func (in *inliner) model(m []byte) error {
	return eachField(m, func(n protowire.Number, whole, content []byte) error {
		if n != 7 { // graph
			in.put(whole)
			return nil
		}
		var graph inliner
		err := eachField(content, func(n protowire.Number, whole, content []byte) error {
			if n != 5 { // initializer
				graph.put(whole)
				return nil
			}
			var tensor inliner
			if err := tensor.tensor(content); err != nil {
				return err
			}
			graph.nest(n, tensor)
			return nil
		})
		in.nest(n, graph)
		return err
	})
}

// tensor copies a TensorProto and replaces a reference to a file by a section of it.
func (in *inliner) tensor(m []byte) error {
	ref := piece{length: -1}
	err := eachField(m, func(n protowire.Number, whole, content []byte) error {
		switch n {
		case 13: // external_data
			return ref.entry(content)
		case 14: // data_location
			return nil
		}
		in.put(whole)
		return nil
	})
	if err != nil || ref.location == "" {
		return err
	}
	if ref.offset < 0 || ref.length < 0 {
		return fmt.Errorf("%q from byte %d on, %d bytes", ref.location, ref.offset, ref.length)
	}
	var head message
	head = protowire.AppendTag(head, 9, protowire.BytesType) // raw_data
	in.put(protowire.AppendVarint(head, uint64(ref.length)))
	last := &in.pieces[len(in.pieces)-1]
	last.location, last.offset, last.length = ref.location, ref.offset, ref.length
	in.size += ref.length
	return nil
}

// entry reads a StringStringEntryProto of a reference.
func (p *piece) entry(m []byte) error {
	var key, value string
	err := eachField(m, func(n protowire.Number, _, content []byte) error {
		switch n {
		case 1:
			key = string(content)
		case 2:
			value = string(content)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch key {
	case "location":
		p.location = value
	case "offset":
		p.offset, err = strconv.ParseInt(value, 10, 64)
	case "length":
		p.length, err = strconv.ParseInt(value, 10, 64)
	}
	return err
}

// eachField calls do with each field of a message: the whole field and, if it is length-delimited,
// its content.
func eachField(m []byte, do func(n protowire.Number, whole, content []byte) error) error {
	for len(m) > 0 {
		n, kind, tag := protowire.ConsumeTag(m)
		if tag < 0 {
			return protowire.ParseError(tag)
		}
		value := protowire.ConsumeFieldValue(n, kind, m[tag:])
		if value < 0 {
			return protowire.ParseError(value)
		}
		var content []byte
		if kind == protowire.BytesType {
			content, _ = protowire.ConsumeBytes(m[tag:])
		}
		if err := do(n, m[:tag+value], content); err != nil {
			return err
		}
		m = m[tag+value:]
	}
	return nil
}
