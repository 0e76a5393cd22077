package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// Limits of what a footer or the header of a page may hold. The library makes room for a list
// before it reads the list's items, so a few bytes could ask for all memory.
const (
	maxDepth = 24      // structures in structures; a footer needs 8
	maxItems = 1 << 19 // items of all lists together
)

var errTooDeep = fmt.Errorf("structures are nested more than %d deep", maxDepth)

// decodeStruct decodes the structure at the beginning of b, in Thrift's compact protocol, after its
// lists were checked against the bytes there are. It returns the structure's length in bytes; the
// error is io.ErrUnexpectedEOF if b ends before it does.
func decodeStruct(b []byte, into any) (int, error) {
	s := scanner{b: b, items: maxItems}
	if err := s.structure(maxDepth); err != nil {
		return 0, err
	}
	n := len(b) - len(s.b)
	return n, thrift.Unmarshal(&thrift.CompactProtocol{}, b[:n], into)
}

// scanner passes over structures in Thrift's compact protocol.
type scanner struct {
	b     []byte
	items int // how many items lists may still have
}

func (s *scanner) skip(n uint64) error {
	if n > uint64(len(s.b)) {
		return io.ErrUnexpectedEOF
	}
	s.b = s.b[n:]
	return nil
}

func (s *scanner) byte() (byte, error) {
	if len(s.b) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c, nil
}

func (s *scanner) uint() (uint64, error) {
	v, n := binary.Uvarint(s.b)
	if n < 0 {
		return 0, errors.New("a number of more than 64 bits")
	}
	if n == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	s.b = s.b[n:]
	return v, nil
}

// structure passes a structure. depth is how deep others may be in it.
func (s *scanner) structure(depth int) error {
	if depth == 0 {
		return errTooDeep
	}
	for {
		c, err := s.byte()
		if err != nil {
			return err
		}
		kind := thrift.Type(c & 0xf)
		if c == byte(thrift.STOP) {
			return nil
		}
		if c>>4 == 0 { // the field's number follows
			if _, err := s.uint(); err != nil {
				return err
			}
		}
		if kind == thrift.TRUE || kind == thrift.FALSE {
			continue // the value of a field is in its kind
		}
		if err := s.value(kind, depth); err != nil {
			return err
		}
	}
}

// value passes a field's value or an item of a list.
func (s *scanner) value(kind thrift.Type, depth int) error {
	switch kind {
	case thrift.TRUE, thrift.FALSE, thrift.I8:
		return s.skip(1)
	case thrift.I16, thrift.I32, thrift.I64:
		_, err := s.uint()
		return err
	case thrift.DOUBLE:
		return s.skip(8)
	case thrift.UUID:
		return s.skip(16)
	case thrift.BINARY:
		n, err := s.uint()
		if err != nil {
			return err
		}
		return s.skip(n)
	case thrift.LIST, thrift.SET:
		c, err := s.byte()
		n := uint64(c >> 4)
		if err == nil && n == 0xf {
			n, err = s.uint()
		}
		if err != nil {
			return err
		}
		return s.list(n, depth, thrift.Type(c&0xf))
	case thrift.MAP:
		n, err := s.uint()
		if err != nil || n == 0 {
			return err
		}
		c, err := s.byte()
		if err != nil {
			return err
		}
		return s.list(n, depth, thrift.Type(c>>4), thrift.Type(c&0xf))
	case thrift.STRUCT:
		return s.structure(depth - 1)
	}
	return fmt.Errorf("a value of unknown kind %d", kind)
}

// list passes n items, each of which has values of these kinds, and takes at least a byte.
func (s *scanner) list(n uint64, depth int, kinds ...thrift.Type) error {
	if depth == 0 {
		return errTooDeep
	}
	if n > uint64(len(s.b)) {
		return io.ErrUnexpectedEOF
	}
	if s.items -= int(n); s.items < 0 {
		return fmt.Errorf("lists of more than %d items", maxItems)
	}
	for range n {
		for _, kind := range kinds {
			if err := s.value(kind, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}
