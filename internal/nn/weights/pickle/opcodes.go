package pickle

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"unicode/utf8"
)

// An opcode without run is refused by its name.
type opcode struct {
	name string
	run  func(*Decoder) error
}

// stop ends a pickle.
const stop = '.'

var opcodes [256]opcode

// The opcodes with run are those that PyTorch and NumPy write in protocols 2 to 5, in Python 2 as
// well.
func init() {
	opcodes = [256]opcode{
		0x80: {"PROTO", (*Decoder).proto},
		// A hint for reading ahead.
		0x95: {"FRAME", func(d *Decoder) error { _, err := d.uint(8); return err }},

		'(': {"MARK", func(d *Decoder) error { d.marks = append(d.marks, len(d.stack)); return nil }},

		'N':  {"NONE", func(d *Decoder) error { return d.push(nil) }},
		0x88: {"NEWTRUE", func(d *Decoder) error { return d.push(true) }},
		0x89: {"NEWFALSE", func(d *Decoder) error { return d.push(false) }},
		'J':  {"BININT", func(d *Decoder) error { v, err := d.uint(4); return d.pushInt(int64(int32(v)), err) }},
		'K':  {"BININT1", func(d *Decoder) error { v, err := d.uint(1); return d.pushInt(int64(v), err) }},
		'M':  {"BININT2", func(d *Decoder) error { v, err := d.uint(2); return d.pushInt(int64(v), err) }},
		0x8a: {"LONG1", (*Decoder).long},
		'G':  {"BINFLOAT", (*Decoder).float},

		'X':  {"BINUNICODE", func(d *Decoder) error { return d.unicode(4) }},
		0x8c: {"SHORT_BINUNICODE", func(d *Decoder) error { return d.unicode(1) }},
		0x8d: {"BINUNICODE8", func(d *Decoder) error { return d.unicode(8) }},
		'T':  {"BINSTRING", func(d *Decoder) error { return d.bytes(4) }},
		'U':  {"SHORT_BINSTRING", func(d *Decoder) error { return d.bytes(1) }},
		'B':  {"BINBYTES", func(d *Decoder) error { return d.binary(4) }},
		'C':  {"SHORT_BINBYTES", func(d *Decoder) error { return d.binary(1) }},
		0x8e: {"BINBYTES8", func(d *Decoder) error { return d.binary(8) }},
		0x96: {"BYTEARRAY8", func(d *Decoder) error { return d.binary(8) }},

		')':  {"EMPTY_TUPLE", func(d *Decoder) error { return d.push(Tuple(nil)) }},
		0x85: {"TUPLE1", func(d *Decoder) error { return d.tuple(1) }},
		0x86: {"TUPLE2", func(d *Decoder) error { return d.tuple(2) }},
		0x87: {"TUPLE3", func(d *Decoder) error { return d.tuple(3) }},
		't':  {"TUPLE", (*Decoder).markedTuple},
		']':  {"EMPTY_LIST", func(d *Decoder) error { return d.push(&List{}) }},
		'a':  {"APPEND", (*Decoder).append},
		'e':  {"APPENDS", (*Decoder).appends},
		'}':  {"EMPTY_DICT", func(d *Decoder) error { return d.push(&Dict{}) }},
		0x8f: {"EMPTY_SET", func(d *Decoder) error { return d.push(&List{}) }},
		0x90: {"ADDITEMS", (*Decoder).appends},
		0x91: {"FROZENSET", (*Decoder).markedTuple},
		's':  {"SETITEM", (*Decoder).setItem},
		'u':  {"SETITEMS", (*Decoder).setItems},

		'q':  {"BINPUT", func(d *Decoder) error { i, err := d.uint(1); return d.put(i, err) }},
		'r':  {"LONG_BINPUT", func(d *Decoder) error { i, err := d.uint(4); return d.put(i, err) }},
		0x94: {"MEMOIZE", func(d *Decoder) error { return d.put(uint64(len(d.memo)), nil) }},
		'h':  {"BINGET", func(d *Decoder) error { return d.get(1) }},
		'j':  {"LONG_BINGET", func(d *Decoder) error { return d.get(4) }},

		'c':  {"GLOBAL", (*Decoder).global},
		0x93: {"STACK_GLOBAL", (*Decoder).stackGlobal},
		'R':  {"REDUCE", func(d *Decoder) error { return d.apply(d.rules.Call) }},
		0x81: {"NEWOBJ", func(d *Decoder) error { return d.apply(d.rules.New) }},
		'b':  {"BUILD", (*Decoder).build},
		'Q':  {"BINPERSID", (*Decoder).persistent},
	}
	for code, name := range refused {
		opcodes[code] = opcode{name: name}
	}
}

// refused are the names of the opcodes that the supported pickles do not need.
var refused = map[byte]string{
	'0': "POP", '1': "POP_MARK", '2': "DUP",
	'F': "FLOAT", 'I': "INT", 'L': "LONG", 0x8b: "LONG4",
	'S': "STRING", 'V': "UNICODE", 'P': "PERSID",
	'd': "DICT", 'l': "LIST", 'g': "GET", 'p': "PUT",
	'i': "INST", 'o': "OBJ", 0x92: "NEWOBJ_EX",
	0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4",
	0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
}

func (d *Decoder) proto() error {
	v, err := d.byte()
	if err == nil && (v < 2 || v > 5) {
		err = fmt.Errorf("protocol %d, expected 2 to 5", v)
	}
	return err
}

func (d *Decoder) pushInt(v int64, err error) error {
	if err != nil {
		return err
	}
	return d.push(v)
}

// long reads a two's complement number of up to 255 bytes.
func (d *Decoder) long() error {
	digits, err := d.text(1)
	if err != nil {
		return err
	}
	slices.Reverse(digits) // big.Int takes the highest byte first
	v := new(big.Int).SetBytes(digits)
	if len(digits) > 0 && digits[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(digits))))
	}
	if v.IsInt64() {
		return d.push(v.Int64())
	}
	return d.push(v)
}

func (d *Decoder) float() error {
	var v uint64
	for range 8 {
		b, err := d.byte()
		if err != nil {
			return err
		}
		v = v<<8 | uint64(b)
	}
	return d.push(math.Float64frombits(v))
}

func (d *Decoder) unicode(width int) error {
	text, err := d.text(width)
	if err == nil && !utf8.Valid(text) {
		err = errors.New("the text is not valid UTF-8")
	}
	if err != nil {
		return err
	}
	return d.push(string(text))
}

// bytes reads the strings of Python 2, which its pickles use for all names. They may contain any
// bytes.
func (d *Decoder) bytes(width int) error {
	text, err := d.text(width)
	if err != nil {
		return err
	}
	return d.push(string(text))
}

// binary reads bytes and byte arrays, in which checkpoints store NumPy's numbers.
func (d *Decoder) binary(width int) error {
	data, err := d.text(width)
	if err != nil {
		return err
	}
	return d.push(Bytes(data))
}

func (d *Decoder) tuple(n int) error {
	if err := d.spend(int64(n) * itemCost); err != nil {
		return err
	}
	t := make(Tuple, n)
	for i := n - 1; i >= 0; i-- {
		v, err := d.pop()
		if err != nil {
			return err
		}
		t[i] = v
	}
	return d.push(t)
}

func (d *Decoder) markedTuple() error {
	items, err := d.popMark()
	if err != nil {
		return err
	}
	if err := d.spend(int64(len(items)) * itemCost); err != nil {
		return err
	}
	return d.push(Tuple(slices.Clone(items)))
}

func (d *Decoder) append() error {
	v, err := d.pop()
	if err != nil {
		return err
	}
	return d.extend([]any{v})
}

func (d *Decoder) appends() error {
	items, err := d.popMark()
	if err != nil {
		return err
	}
	return d.extend(items)
}

// extend appends to the list on top of the stack.
func (d *Decoder) extend(items []any) error {
	v, err := d.top()
	if err != nil {
		return err
	}
	list, ok := v.(*List)
	if !ok {
		return fmt.Errorf("to %s, expected a list", Kind(v))
	}
	list.Items = append(list.Items, items...)
	return d.spend(int64(len(items)) * itemCost)
}

func (d *Decoder) setItem() error {
	value, err := d.pop()
	if err != nil {
		return err
	}
	key, err := d.pop()
	if err != nil {
		return err
	}
	return d.set([]any{key, value})
}

func (d *Decoder) setItems() error {
	items, err := d.popMark()
	if err != nil {
		return err
	}
	return d.set(items)
}

// set adds keys and values, alternating, to the dict on top of the stack.
func (d *Decoder) set(items []any) error {
	v, err := d.top()
	if err != nil {
		return err
	}
	dict, ok := v.(*Dict)
	if !ok {
		return fmt.Errorf("on %s, expected a dict", Kind(v))
	}
	if len(items)%2 != 0 {
		return fmt.Errorf("%d keys and values, expected pairs", len(items))
	}
	for i := 0; i < len(items); i += 2 {
		dict.Entries = append(dict.Entries, Entry{items[i], items[i+1]})
	}
	return d.spend(int64(len(items)) * itemCost)
}

func (d *Decoder) put(i uint64, err error) error {
	if err != nil {
		return err
	}
	v, err := d.top()
	if err != nil {
		return err
	}
	d.memo[uint32(i)] = v
	return d.spend(memoCost)
}

func (d *Decoder) get(width int) error {
	i, err := d.uint(width)
	if err != nil {
		return err
	}
	v, ok := d.memo[uint32(i)]
	if !ok {
		return fmt.Errorf("nothing is memoized as %d", i)
	}
	return d.push(v)
}

func (d *Decoder) global() error {
	module, err := d.line()
	if err != nil {
		return err
	}
	name, err := d.line()
	if err != nil {
		return err
	}
	return d.pushGlobal(Global{module, name})
}

func (d *Decoder) stackGlobal() error {
	name, err := d.pop()
	if err != nil {
		return err
	}
	module, err := d.pop()
	if err != nil {
		return err
	}
	m, ok1 := module.(string)
	n, ok2 := name.(string)
	if !ok1 || !ok2 {
		return fmt.Errorf("a name made of %s and %s", Kind(module), Kind(name))
	}
	if len(m)+len(n) > lineLimit {
		return fmt.Errorf("a name of %d bytes", len(m)+len(n))
	}
	return d.pushGlobal(Global{m, n})
}

func (d *Decoder) pushGlobal(g Global) error {
	if err := d.rules.Global(g); err != nil {
		return err
	}
	return d.push(g)
}

// apply replaces a global and its arguments by the result of build.
func (d *Decoder) apply(build func(Global, Tuple) (any, error)) error {
	v, err := d.pop()
	if err != nil {
		return err
	}
	args, ok := v.(Tuple)
	if !ok {
		return fmt.Errorf("the arguments are %s, expected a tuple", Kind(v))
	}
	if v, err = d.pop(); err != nil {
		return err
	}
	g, ok := v.(Global)
	if !ok {
		return fmt.Errorf("%s is called", Kind(v))
	}
	if v, err = build(g, args); err != nil {
		return err
	}
	return d.push(v)
}

func (d *Decoder) build() error {
	state, err := d.pop()
	if err != nil {
		return err
	}
	object, err := d.top()
	if err != nil {
		return err
	}
	return d.rules.Build(object, state)
}

func (d *Decoder) persistent() error {
	id, err := d.pop()
	if err != nil {
		return err
	}
	v, err := d.rules.Persistent(id)
	if err != nil {
		return err
	}
	return d.push(v)
}
