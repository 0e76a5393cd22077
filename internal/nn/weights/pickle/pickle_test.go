package pickle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testRules allow module "ok" and return strings for its names.
type testRules struct{}

func (testRules) Global(g Global) error {
	if g.Module != "ok" {
		return fmt.Errorf("%q is not allowed", g)
	}
	return nil
}

func (testRules) Call(g Global, args Tuple) (any, error) {
	if g.Name == "bad" {
		return nil, errors.New("bad call")
	}
	return fmt.Sprintf("%s(%d)", g.Name, len(args)), nil
}

func (testRules) New(g Global, args Tuple) (any, error) {
	return fmt.Sprintf("new %s(%d)", g.Name, len(args)), nil
}

func (testRules) Build(object, state any) error {
	d, ok := object.(*Dict)
	if !ok {
		return fmt.Errorf("%s has no state", Kind(object))
	}
	d.Entries = append(d.Entries, Entry{"state", state})
	return nil
}

func (testRules) Persistent(id any) (any, error) {
	text, ok := id.(string)
	if !ok || strings.HasPrefix(text, "persistent ") { // an object cannot be an id, and must not grow
		return nil, fmt.Errorf("%s is not an id", Kind(id))
	}
	return "persistent " + text, nil
}

func decode(text string) (any, error) {
	return NewDecoder(strings.NewReader(text), testRules{}, 1<<20).Decode()
}

// long is an int with these bytes.
func long(digits ...byte) string {
	return "\x8a" + string([]byte{byte(len(digits))}) + string(digits)
}

func TestDecode(t *testing.T) {
	list := func(items ...any) *List { return &List{items} }
	dict := func(entries ...Entry) *Dict { return &Dict{entries} }
	one, two, three, four := int64(1), int64(2), int64(3), int64(4)
	power := func(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }
	for _, c := range []struct {
		pickle string
		want   any
	}{
		{"\x80\x02N.", nil},
		{"\x80\x05\x95\x01\x00\x00\x00\x00\x00\x00\x00\x88.", true},
		{"\x89.", false},
		{"K\xff.", int64(255)},
		{"M\x01\x02.", int64(513)},
		{"J\xfe\xff\xff\xff.", int64(-2)},
		{long() + ".", int64(0)},
		{long(0xff) + ".", int64(-1)},
		{long(0xff, 0) + ".", int64(255)},
		{long(0, 0, 0, 0, 0, 0, 0, 0x80) + ".", int64(-1 << 63)},
		{long(0, 0, 0, 0, 0, 0, 0, 0, 1) + ".", power(64)},
		{long(0, 0, 0, 0, 0, 0, 0, 0, 0xff) + ".", power(64).Neg(power(64))},
		{"G\x3f\xf8\x00\x00\x00\x00\x00\x00.", 1.5},
		{"X\x02\x00\x00\x00\xc3\xbc.", "ü"},
		{"\x8c\x01a.", "a"},
		{"\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.", "a"},
		{"T\x01\x00\x00\x00a.", "a"},
		{"U\x01\xff.", "\xff"},
		{"B\x01\x00\x00\x00\xff.", Bytes("\xff")},
		{"C\x02ab.", Bytes("ab")},
		{"\x8e\x01\x00\x00\x00\x00\x00\x00\x00a.", Bytes("a")},
		{"\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", Bytes("a")},
		{"\x8f(K\x01K\x02\x90.", list(one, two)},
		{"(K\x01K\x02\x91.", Tuple{one, two}},
		{").", Tuple(nil)},
		{"K\x01\x85.", Tuple{one}},
		{"K\x01K\x02\x86.", Tuple{one, two}},
		{"K\x01K\x02K\x03\x87.", Tuple{one, two, three}},
		{"(K\x01K\x02K\x03K\x04t.", Tuple{one, two, three, four}},
		{"((K\x01tK\x02t.", Tuple{Tuple{one}, two}},
		{"].", list()},
		{"]K\x01a(K\x02K\x03e.", list(one, two, three)},
		{"}.", dict()},
		{"}K\x01K\x02s(K\x03K\x04K\x01Nu.", dict(Entry{one, two}, Entry{three, four}, Entry{one, nil})},
		{"cok\nname\n.", Global{"ok", "name"}},
		{"\x8c\x02ok\x8c\x04name\x93.", Global{"ok", "name"}},
		{"cok\nf\nK\x01K\x02\x86R.", "f(2)"},
		{"cok\nC\n)\x81.", "new C(0)"},
		{"}K\x02b.", dict(Entry{"state", two})},
		{"\x8c\x01kQ.", "persistent k"},
		// A memoized value is shared: what is appended later is visible.
		{"]q\x05h\x05K\x01a\x86.", Tuple{list(one), list(one)}},
		{"]r\x00\x01\x00\x00j\x00\x01\x00\x00K\x01a\x86.", Tuple{list(one), list(one)}},
		{"K\x01\x94K\x02\x94h\x00h\x01\x86\x86\x86.", Tuple{one, Tuple{two, Tuple{one, two}}}},
	} {
		got, err := decode(c.pickle)
		if err != nil {
			t.Errorf("%q: %v", c.pickle, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", c.pickle, diff)
		}
		for n := range c.pickle {
			if _, err := decode(c.pickle[:n]); err == nil {
				t.Errorf("%q is read up to byte %d", c.pickle, n)
			}
		}
	}
}

// TestDecodeLimit: every opcode has a cost; memoized values, containers and text cost more.
func TestDecodeLimit(t *testing.T) {
	const n = 1000
	for _, repeated := range []string{
		"N", "(", "}", "]", ")", "K\x01", "\x8c\x00", ")\x85", "Nq\x00", "cok\nf\n", long(1),
	} {
		text := strings.Repeat(repeated, n)
		d := NewDecoder(strings.NewReader(text), testRules{}, n*stepCost/2)
		if _, err := d.Decode(); !errors.Is(err, ErrLimit) || d.Offset() > int64(len(text)/2+10) {
			t.Errorf("%q: %v after %d of %d bytes", repeated, err, d.Offset(), len(text))
		}
	}
	for _, dear := range []string{
		"(" + strings.Repeat("N", n) + "t.", "](" + strings.Repeat("N", n) + "e.", "}(" + strings.Repeat("N", n) + "u.",
		"]" + strings.Repeat("Na", n/2) + ".", "}" + strings.Repeat("NNs", n/3) + ".", "X\x00\x80\x01\x00" + strings.Repeat("x", 3<<15) + ".",
		"B\x00\x80\x01\x00" + strings.Repeat("x", 3<<15) + ".", "\x8f(" + strings.Repeat("N", n) + "\x90.",
		"N" + strings.Repeat("q\x00", n) + ".",
	} {
		if _, err := NewDecoder(strings.NewReader(dear), testRules{}, n*stepCost*3/2).Decode(); !errors.Is(err, ErrLimit) {
			t.Errorf("%.20q: %v", dear, err)
		}
		if _, err := decode(dear); err != nil {
			t.Errorf("%.20q: %v", dear, err)
		}
	}
	d := NewDecoder(strings.NewReader(strings.Repeat("N.", n)), testRules{}, n*stepCost/2)
	var err error
	for err == nil {
		_, err = d.Decode()
	}
	if !errors.Is(err, ErrLimit) {
		t.Errorf("many pickles: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for pickle, want := range map[string]string{
		"":                                      "at byte 0: unexpected EOF",
		"N":                                     "at byte 1: unexpected EOF",
		"\x80\x01N.":                            "PROTO: protocol 1, expected 2 to 5",
		"\x80\x06N.":                            "protocol 6",
		"\xff":                                  "opcode 0xff is unknown",
		"\x00":                                  "opcode 0x00 is unknown",
		"(ios\nsystem\n.":                       "at byte 1: opcode INST is not allowed",
		"cos\nsystem\n.":                        `at byte 0: GLOBAL: "os.system" is not allowed`,
		"\x8c\x02os\x8c\x06system\x93.":         `STACK_GLOBAL: "os.system" is not allowed`,
		"K\x01K\x02\x93.":                       "a name made of an int and an int",
		".":                                     "0 values and 0 marks are left",
		"NN.":                                   "2 values",
		"N(.":                                   "1 values and 1 marks",
		"a":                                     "APPEND: nothing is on the stack",
		"]a":                                    "APPEND: nothing is on the stack",
		"]K\x01(a":                              "APPEND: nothing is on the stack", // a mark between
		"}K\x01a":                               "to a dict, expected a list",
		"]K\x01K\x01s":                          "on a list, expected a dict",
		"}(K\x01u":                              "1 keys and values",
		"t":                                     "no mark",
		"e":                                     "no mark",
		"u":                                     "no mark",
		"N\x86":                                 "TUPLE2: nothing is on the stack",
		"h\x00":                                 "nothing is memoized as 0",
		"q\x00":                                 "BINPUT: nothing is on the stack",
		"K":                                     "BININT1: unexpected EOF",
		"X\xff\xff\xff\xff":                     "4294967295 bytes of text: " + ErrLimit.Error(),
		"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa": "bytes of text: " + ErrLimit.Error(),
		"X\x00\x01\x00\x00a":                    "unexpected EOF",
		"X\x01\x00\x00\x00\xff.":                "not valid UTF-8",
		"G1234567":                              "unexpected EOF",
		"cok":                                   "unexpected EOF",
		"cok\n" + strings.Repeat("a", 1025) + "\n": "longer than 1024",
		"cok\n" + strings.Repeat("a", 9000):        "longer than 1024",
		"cok\nf\nNR":                               "the arguments are None",
		"K\x01)R":                                  "an int is called",
		"\x8c\x01f)\x81":                           "a str is called",
		"cok\nbad\n)R":                             "REDUCE: bad call",
		"NNb":                                      "BUILD: None has no state",
		"K\x01Q":                                   "BINPERSID: an int is not an id",
	} {
		if _, err := decode(pickle); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %q in it", pickle, err, want)
		}
	}
}

// TestDecodeOwnList: a list may contain itself, and so may a tuple through a list.
func TestDecodeOwnList(t *testing.T) {
	v, err := decode("]q\x00h\x00a.")
	if l, ok := v.(*List); err != nil || !ok || len(l.Items) != 1 || l.Items[0] != any(l) {
		t.Errorf("got %T, %v", v, err)
	}
	v, err = decode("]q\x00h\x00\x85a.")
	if l, ok := v.(*List); err != nil || !ok || l.Items[0].(Tuple)[0] != any(l) {
		t.Errorf("got %T, %v", v, err)
	}
}

// TestDecodeRow: pickles follow each other, each has its own memo, and the offset is the end of the
// last one.
func TestDecodeRow(t *testing.T) {
	text := "K\x01q\x00.K\x02.h\x00."
	d := NewDecoder(strings.NewReader(text), testRules{}, 1<<20)
	for i, end := range []int64{5, 8} {
		v, err := d.Decode()
		if err != nil || v != int64(i+1) || d.Offset() != end {
			t.Errorf("pickle %d: %v, %v, up to byte %d; expected up to %d", i, v, err, d.Offset(), end)
		}
	}
	if _, err := d.Decode(); err == nil || !strings.Contains(err.Error(), "at byte 8: BINGET: nothing is memoized") {
		t.Errorf("third pickle: %v", err)
	}
}

// TestDecodeError: an error of the reader is returned.
func TestDecodeError(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("]"), failing{broken})
	if _, err := NewDecoder(r, testRules{}, 1<<20).Decode(); !errors.Is(err, broken) {
		t.Errorf("got %v, expected %v", err, broken)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// FuzzDecode: any bytes give a value or an error, in bounded memory.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00bcok\nname\n)Rq\x01u.",
		"\x80\x05\x95\x01\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x01a\x94J\x00\x00\x00\x80G\x3f\xf8\x00\x00\x00\x00\x00\x00h\x01e.",
		"cok\nC\n)\x81}(\x8c\x01kN\x89\x88ub.", "(\x8c\x01kQK\x01M\x01\x02\x8a\x02\xff\x00\x85\x86\x87t.", "]q\x00h\x00a.",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const memory = 1 << 20
		sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(sample)
		before := sample[0].Value.Uint64()
		d := NewDecoder(bytes.NewReader(data), testRules{}, memory)
		v, err := d.Decode()
		metrics.Read(sample)
		if cost := sample[0].Value.Uint64() - before; cost > 8*memory {
			t.Fatalf("%d bytes were set aside", cost)
		}
		if d.Offset() > int64(len(data)) {
			t.Fatalf("%d of %d bytes were read", d.Offset(), len(data))
		}
		if err == nil && Kind(v) == "" {
			t.Fatalf("a value without a kind: %T", v)
		}
	})
}
