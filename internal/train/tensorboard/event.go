package tensorboard

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the messages.
const (
	eventTime    = 1 // double, seconds
	eventStep    = 2 // int64
	eventVersion = 3 // string
	eventSummary = 5 // Summary
	eventSession = 7 // SessionLog

	summaryValue = 1 // repeated Summary.Value

	valueTag    = 1 // string
	valueScalar = 2 // float
	valueImage  = 4 // Summary.Image

	imageHeight = 1 // int32
	imageWidth  = 2
	imageColors = 3 // number of channels
	imageBytes  = 4 // PNG

	sessionStatus = 1
	sessionStart  = 1 // value of sessionStatus
)

const rgb = 3 // value of imageColors

// message is a protocol buffer being written.
type message []byte

func (m *message) varint(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) double(field protowire.Number, v float64) {
	*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), math.Float64bits(v))
}

func (m *message) float(field protowire.Number, v float32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, field, protowire.Fixed32Type), math.Float32bits(v))
}

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

// encode returns the event as a protocol buffer.
func (e Event) encode() []byte {
	var m message
	m.double(eventTime, float64(e.Time.UnixNano())/1e9)
	if e.Step != 0 { // zeros are left out
		m.varint(eventStep, e.Step)
	}
	switch {
	case e.Version != "":
		m.bytes(eventVersion, []byte(e.Version))
	case e.Start:
		var session message
		session.varint(sessionStatus, sessionStart)
		m.bytes(eventSession, session)
	default:
		m.bytes(eventSummary, e.summary())
	}
	return m
}

func (e Event) summary() []byte {
	var m message
	for _, s := range e.Scalars {
		var value message
		value.bytes(valueTag, []byte(s.Tag))
		value.float(valueScalar, float32(s.Value))
		m.bytes(summaryValue, value)
	}
	for _, p := range e.Images {
		var image, value message
		image.varint(imageHeight, int64(p.Height))
		image.varint(imageWidth, int64(p.Width))
		image.varint(imageColors, rgb)
		image.bytes(imageBytes, p.PNG)
		value.bytes(valueTag, []byte(p.Tag))
		value.bytes(valueImage, image)
		m.bytes(summaryValue, value)
	}
	return m
}

// field is one field of a message that is read; number holds values that are not bytes.
type field struct {
	at     protowire.Number
	number uint64
	bytes  []byte
}

// fields splits a message into its fields. Fields of types that are not needed are skipped.
func fields(m []byte) ([]field, error) {
	var list []field
	for len(m) > 0 {
		at, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return nil, fmt.Errorf("invalid event: %w", protowire.ParseError(n))
		}
		m = m[n:]
		f := field{at: at}
		switch kind {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(m)
		case protowire.Fixed64Type:
			f.number, n = protowire.ConsumeFixed64(m)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(m)
			f.number = uint64(v)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(m)
		default:
			n = protowire.ConsumeFieldValue(at, kind, m)
		}
		if n < 0 {
			return nil, fmt.Errorf("invalid event: field %d: %w", at, protowire.ParseError(n))
		}
		m = m[n:]
		list = append(list, f)
	}
	return list, nil
}

// decode reads an event as encode writes it; other contents are skipped.
func decode(m []byte) (Event, error) {
	var e Event
	list, err := fields(m)
	if err != nil {
		return e, err
	}
	for _, f := range list {
		switch f.at {
		case eventTime:
			e.Time = time.Unix(0, int64(math.Float64frombits(f.number)*1e9))
		case eventStep:
			e.Step = int64(f.number)
		case eventVersion:
			e.Version = string(f.bytes)
		case eventSession:
			e.Start = true
		case eventSummary:
			if err := e.readSummary(f.bytes); err != nil {
				return e, err
			}
		}
	}
	return e, nil
}

func (e *Event) readSummary(m []byte) error {
	values, err := fields(m)
	if err != nil {
		return err
	}
	for _, v := range values {
		parts, err := fields(v.bytes)
		if err != nil {
			return err
		}
		var tag string
		for _, f := range parts {
			switch f.at {
			case valueTag:
				tag = string(f.bytes)
			case valueScalar:
				e.Scalars = append(e.Scalars, Scalar{tag, float64(math.Float32frombits(uint32(f.number)))})
			case valueImage:
				p, err := readImage(f.bytes)
				if err != nil {
					return err
				}
				p.Tag = tag
				e.Images = append(e.Images, p)
			}
		}
	}
	return nil
}

func readImage(m []byte) (Image, error) {
	var p Image
	list, err := fields(m)
	for _, f := range list {
		switch f.at {
		case imageHeight:
			p.Height = int(f.number)
		case imageWidth:
			p.Width = int(f.number)
		case imageBytes:
			p.PNG = f.bytes
		}
	}
	return p, err
}
