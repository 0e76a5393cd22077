package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// interruptEvery is how many passes of loops there are between two looks at the context: well below
// a millisecond.
const interruptEvery = 50_000

// interruptible rewrites a WebAssembly module so that it calls fd_close, with a file number that
// cannot be, once in interruptEvery passes of loops. That function then looks at the context, and
// Go's scheduler gets a turn.
//
// wazero can do the like (WithCloseOnContextDone), but leaves the compiled code in every pass of
// every loop, which makes libheif three times as slow.
func interruptible(module []byte) ([]byte, error) {
	sections, err := readSections(module)
	if err != nil {
		return nil, err
	}
	w := rewriter{}
	out := slices.Clone(module[:8])
	for _, s := range sections {
		switch s.id {
		case sectionCustom:
			continue
		case sectionImport:
			err = w.imports(s.body)
		case sectionGlobal:
			s.body, err = w.globals(s.body)
		case sectionCode:
			s.body, err = w.code(s.body)
		}
		if err != nil {
			return nil, err
		}
		out = append(append(out, s.id), binary.AppendUvarint(nil, uint64(len(s.body)))...)
		out = append(out, s.body...)
	}
	return out, nil
}

// Sections of a module that are rewritten or left out.
const (
	sectionCustom, sectionImport = 0, 2
	sectionGlobal, sectionCode   = 6, 10
)

type section struct {
	id   byte
	body []byte
}

func readSections(module []byte) ([]section, error) {
	if len(module) < 8 || string(module[:4]) != "\x00asm" {
		return nil, errors.New("not a WebAssembly module")
	}
	c := cursor{b: module[8:]}
	var all []section
	for len(c.b) > 0 && !c.bad {
		id := c.byte()
		all = append(all, section{id, c.take(int(c.uint()))})
	}
	if c.bad {
		return nil, errModule
	}
	return all, nil
}

var errModule = errors.New("damaged WebAssembly module")

// cursor reads a module; what is missing sets bad.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.bad = nil, true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// skip passes n numbers of any size, signed or not.
func (c *cursor) skip(n int) {
	for i := 0; i < n && !c.bad; i++ {
		more := true
		for more && !c.bad {
			more = c.byte()&0x80 != 0
		}
	}
}

// rewriter knows what the code needs.
type rewriter struct {
	pause   uint64 // index of fd_close
	found   bool
	counter uint64 // index of the new global
}

// imports looks for fd_close and counts imported globals.
func (w *rewriter) imports(b []byte) error {
	c := cursor{b: b}
	functions := uint64(0)
	for range c.uint() {
		if c.bad {
			break
		}
		c.take(int(c.uint())) // the module's name
		name := string(c.take(int(c.uint())))
		switch kind := c.byte(); kind {
		case 0:
			if name == "fd_close" {
				w.pause, w.found = functions, true
			}
			functions++
			c.uint()
		case 3:
			w.counter++
			c.take(2)
		default:
			return fmt.Errorf("import %q of kind %d", name, kind)
		}
	}
	if c.bad {
		return errModule
	}
	return nil
}

// globals adds the counter.
func (w *rewriter) globals(b []byte) ([]byte, error) {
	c := cursor{b: b}
	n := c.uint()
	if c.bad {
		return nil, errModule
	}
	w.counter += n
	out := binary.AppendUvarint(nil, n+1)
	out = append(out, c.b...)
	out = append(out, 0x7f, 1, opConst) // a variable of 32 bits
	out = appendSigned(out, interruptEvery)
	return append(out, opEnd), nil
}

// appendSigned appends a number below 2^31 in signed LEB128.
func appendSigned(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// Instructions that are written or looked for.
const (
	opLoop, opIf, opEnd    = 0x03, 0x04, 0x0b
	opCall, opDrop         = 0x10, 0x1a
	opGetGlobal            = 0x23
	opSetGlobal            = 0x24
	opConst, opZero, opAdd = 0x41, 0x45, 0x6a
)

// check is what begins each loop.
func (w *rewriter) check() []byte {
	counter := binary.AppendUvarint(nil, w.counter)
	get, set := append([]byte{opGetGlobal}, counter...), append([]byte{opSetGlobal}, counter...)
	return slices.Concat(
		get, appendSigned([]byte{opConst}, -1), []byte{opAdd}, set,
		get, []byte{opZero, opIf, 0x40},
		appendSigned([]byte{opConst}, interruptEvery), set,
		appendSigned([]byte{opConst}, pauseFile), append([]byte{opCall}, binary.AppendUvarint(nil, w.pause)...), []byte{opDrop},
		[]byte{opEnd})
}

// code rewrites all functions.
func (w *rewriter) code(b []byte) ([]byte, error) {
	if !w.found || w.counter == 0 {
		return nil, errors.New("module without fd_close or without globals")
	}
	c := cursor{b: b}
	n := c.uint()
	out := binary.AppendUvarint(nil, n)
	check := w.check()
	for range n {
		if c.bad {
			break
		}
		body, err := rewrite(c.take(int(c.uint())), check)
		if err != nil {
			return nil, err
		}
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	if c.bad {
		return nil, errModule
	}
	return out, nil
}

// rewrite puts check behind the beginning of each loop of a function.
func rewrite(body, check []byte) ([]byte, error) {
	c := cursor{b: body}
	for range c.uint() { // local variables: how many, and their type
		if c.skip(2); c.bad {
			return nil, errModule
		}
	}
	var out []byte
	from := 0
	for len(c.b) > 0 {
		op := c.byte()
		if err := c.operands(op); err != nil {
			return nil, err
		}
		if op == opLoop {
			at := len(body) - len(c.b)
			out = append(append(out, body[from:at]...), check...)
			from = at
		}
	}
	if c.bad {
		return nil, errModule
	}
	return append(out, body[from:]...), nil
}

// operands passes what follows an instruction (WebAssembly 2.0, 5.4, without vectors).
func (c *cursor) operands(op byte) error {
	switch {
	case op == 0x0e: // br_table
		c.skip(int(min(c.uint(), 1<<20)) + 1)
	case op == 0x1c: // select with types
		c.skip(int(min(c.uint(), 1<<20)))
	case op == 0x11 || op >= 0x28 && op <= 0x3e: // call_indirect, loads and stores
		c.skip(2)
	case op == 0x43:
		c.take(4)
	case op == 0x44:
		c.take(8)
	case op == 0xfc:
		return c.extended()
	case op >= 0x02 && op <= 0x04, op == 0x0c, op == 0x0d, op == opCall, op >= 0x20 && op <= 0x26,
		op >= 0x3f && op <= 0x42, op == 0xd0, op == 0xd2:
		c.skip(1)
	case op <= 0x01, op == 0x05, op == opEnd, op == 0x0f, op == opDrop, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
	default:
		return fmt.Errorf("instruction 0x%02x is not known", op)
	}
	return nil
}

// extended passes the operands of saturating conversions and of instructions for memory and tables.
func (c *cursor) extended() error {
	switch op := c.uint(); op {
	case 0, 1, 2, 3, 4, 5, 6, 7:
	case 9, 11, 13, 15, 16, 17:
		c.skip(1)
	case 8, 10, 12, 14:
		c.skip(2)
	default:
		return fmt.Errorf("instruction 0xfc %d is not known", op)
	}
	return nil
}
