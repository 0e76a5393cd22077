package pickle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// A value is one of: nil (None), bool, int64, *big.Int (beyond 64 bits),
// float64, string, Bytes, Tuple, *List, *Dict, Global, or what the Rules made.
type (
	// Bytes is a Python bytes or bytearray. Python 2 wrote both as strings.
	Bytes string

	// Tuple is a Python tuple or frozenset.
	Tuple []any

	// List is a Python list or set, shared by everything that refers to it.
	List struct{ Items []any }

	// Dict is a Python dict: its entries in the order they were set. A key that was set twice has
	// two entries.
	Dict struct{ Entries []Entry }

	// Entry is a key of a Dict and its value.
	Entry struct{ Key, Value any }

	// Global is the name of a Python class or function. It is only a name.
	Global struct{ Module, Name string }
)

func (g Global) String() string { return g.Module + "." + g.Name }

// Rules resolve the names in a pickle. Every error ends the reading and is returned wrapped.
type Rules interface {
	// Global returns nil if the pickle may refer to g.
	Global(g Global) error
	// Call returns the value of g(args...). Global has accepted g.
	Call(g Global, args Tuple) (any, error)
	// New returns a new object of class g. Global has accepted g.
	New(g Global, args Tuple) (any, error)
	// Build sets the state of object, which may be any value.
	Build(object, state any) error
	// Persistent returns the value with an id, which is stored outside the pickle.
	Persistent(id any) (any, error)
}

// ErrLimit is wrapped by errors about a pickle that needs more memory than allowed.
var ErrLimit = errors.New("the pickle needs too much memory")

// Costs in bytes, rounded up from Go's on 64-bit machines.
const (
	stepCost  = 48 // any opcode: a value on the stack, and its box
	itemCost  = 48 // an item of a tuple, list or dict, with room to grow
	memoCost  = 96 // a memoized value
	lineLimit = 1024
)

// Decoder reads consecutive pickles from a stream.
type Decoder struct {
	r      *bufio.Reader
	offset int64
	rules  Rules
	left   int64 // memory that may still be used, in bytes

	stack []any
	marks []int // heights of the stack at MARK, innermost last
	memo  map[uint32]any
}

// NewDecoder returns a decoder that reads from r, possibly beyond the end of a pickle. All pickles
// together may cost memory bytes, counted as if nothing were ever freed.
func NewDecoder(r io.Reader, rules Rules, memory int64) *Decoder {
	return &Decoder{r: bufio.NewReader(r), rules: rules, left: memory}
}

// Offset returns the number of bytes of the pickles decoded so far.
func (d *Decoder) Offset() int64 { return d.offset }

// Decode reads the next pickle and returns its value. Errors name the byte of the stream where they
// occurred. After an error the Decoder must not be used.
func (d *Decoder) Decode() (any, error) {
	d.stack, d.marks, d.memo = d.stack[:0], d.marks[:0], map[uint32]any{}
	for {
		at := d.offset
		code, err := d.byte()
		if err == nil && code == stop {
			return d.result()
		}
		if err == nil {
			err = d.step(code)
		}
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", at, err)
		}
	}
}

func (d *Decoder) step(code byte) error {
	op := &opcodes[code]
	if op.name == "" {
		return fmt.Errorf("opcode %#02x is unknown", code)
	}
	if op.run == nil {
		return fmt.Errorf("opcode %s is not allowed", op.name)
	}
	err := d.spend(stepCost)
	if err == nil {
		err = op.run(d)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op.name, err)
	}
	return nil
}

func (d *Decoder) result() (any, error) {
	if len(d.stack) != 1 || len(d.marks) != 0 {
		return nil, fmt.Errorf("at byte %d: %d values and %d marks are left at the end, expected one value",
			d.offset, len(d.stack), len(d.marks))
	}
	return d.stack[0], nil
}

func (d *Decoder) spend(n int64) error {
	if n > d.left {
		return ErrLimit
	}
	d.left -= n
	return nil
}

func (d *Decoder) push(v any) error {
	d.stack = append(d.stack, v)
	return nil
}

var errEmpty = errors.New("nothing is on the stack")

// pop removes the topmost value from the stack. It does not reach below a mark.
func (d *Decoder) pop() (any, error) {
	v, err := d.top()
	if err == nil {
		d.stack = d.stack[:len(d.stack)-1]
	}
	return v, err
}

func (d *Decoder) top() (any, error) {
	floor := 0
	if n := len(d.marks); n > 0 {
		floor = d.marks[n-1]
	}
	if len(d.stack) <= floor {
		return nil, errEmpty
	}
	return d.stack[len(d.stack)-1], nil
}

// popMark removes everything above the innermost mark from the stack, and the mark. The slice is
// valid until the next push.
func (d *Decoder) popMark() ([]any, error) {
	if len(d.marks) == 0 {
		return nil, errors.New("no mark is on the stack")
	}
	at := d.marks[len(d.marks)-1]
	d.marks = d.marks[:len(d.marks)-1]
	items := d.stack[at:]
	d.stack = d.stack[:at]
	return items, nil
}

func (d *Decoder) byte() (byte, error) {
	b, err := d.r.ReadByte()
	if err != nil {
		return 0, cut(err)
	}
	d.offset++
	return b, nil
}

// uint reads an unsigned little-endian number of up to eight bytes.
func (d *Decoder) uint(bytes int) (uint64, error) {
	var v uint64
	for i := range bytes {
		b, err := d.byte()
		if err != nil {
			return 0, err
		}
		v |= uint64(b) << (8 * i)
	}
	return v, nil
}

// text reads a length of the given width and that many bytes.
func (d *Decoder) text(width int) ([]byte, error) {
	n, err := d.uint(width)
	if err != nil {
		return nil, err
	}
	if n > uint64(d.left) {
		return nil, fmt.Errorf("%d bytes of text: %w", n, ErrLimit)
	}
	if err := d.spend(int64(n)); err != nil {
		return nil, err
	}
	var text []byte
	if n <= lineLimit {
		text = make([]byte, n)
		var got int
		got, err = io.ReadFull(d.r, text)
		text = text[:got]
	} else { // grows with the data: the claimed length alone reserves nothing
		text, err = io.ReadAll(io.LimitReader(d.r, int64(n)))
	}
	d.offset += int64(len(text))
	if err == nil && uint64(len(text)) < n {
		err = io.ErrUnexpectedEOF
	}
	return text, cut(err)
}

// line reads to the end of a line.
func (d *Decoder) line() (string, error) {
	text, err := d.r.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return "", cut(err)
	}
	if len(text) > lineLimit {
		return "", fmt.Errorf("a line is longer than %d bytes", lineLimit)
	}
	d.offset += int64(len(text))
	return string(text[:len(text)-1]), d.spend(int64(len(text)))
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Kind returns the Python name of a value's type, for messages. A value made by the Rules is "an
// object".
func Kind(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, *big.Int:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a str"
	case Bytes:
		return "bytes"
	case Tuple:
		return "a tuple"
	case *List:
		return "a list"
	case *Dict:
		return "a dict"
	case Global:
		return "a class or function"
	}
	return "an object"
}
