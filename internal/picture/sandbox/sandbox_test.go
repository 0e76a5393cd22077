package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// endless is a module with a loop without end, fd_close from the system, one page of memory, and a
// malloc that fails:
//
//	(func (export "spin") (result i32) (loop (br 0)) (unreachable))
//	(func (export "malloc") (param i32) (result i32) (i32.const 0))
var endless = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x0a\x02\x60\x01\x7f\x01\x7f\x60\x00\x01\x7f" + // types
	"\x02\x23\x01\x16wasi_snapshot_preview1\x08fd_close\x00\x00" + // imports
	"\x03\x03\x02\x01\x00" + // functions
	"\x05\x03\x01\x00\x01" + // memory
	"\x06\x06\x01\x7f\x01\x41\x00\x0b" + // globals
	"\x07\x1a\x03\x06memory\x02\x00\x04spin\x00\x01\x06malloc\x00\x02" + // exports
	"\x0a\x0f\x02\x08\x00\x03\x40\x0c\x00\x0b\x00\x0b\x04\x00\x41\x00\x0b") // code

// plenty is work for any test that does not test its limit.
var plenty = Limits{Work: 1 << 62, Memory: MaxMemory}

func packed(t testing.TB, code []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(code); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEndlessLoopStops(t *testing.T) {
	m := New(packed(t, endless))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	run, err := m.Start(context.Background(), plenty)
	if err != nil {
		t.Fatal(err)
	}
	run.ctx = ctx
	begin := time.Now()
	if _, err := run.Call("spin"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want %v", err, context.DeadlineExceeded)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the loop ended after %s", took)
	}
	run.Close()
}

func TestMemory(t *testing.T) {
	run, err := New(packed(t, endless)).Start(context.Background(), plenty)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := run.Allocate(10); !errors.Is(err, ErrMemory) {
		t.Errorf("%v, want %v", err, ErrMemory)
	}
	if _, err := run.Allocate(-1); !errors.Is(err, ErrMemory) {
		t.Errorf("%v, want %v", err, ErrMemory)
	}
	if _, err := run.Bytes(pageSize-1, 2); err == nil {
		t.Error("memory beyond the end was read")
	}
	if _, err := run.Call("nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("a missing function: %v", err)
	}
}

func TestDamagedModule(t *testing.T) {
	unknown := bytes.Clone(endless)
	unknown[bytes.Index(unknown, []byte{opLoop, 0x40})] = 0xfd // a vector instruction
	for name, code := range map[string][]byte{
		"nothing": nil, "text": []byte("some words, no module"), "cut in a section": endless[:len(endless)-1],
		"cut in a header": endless[:9], "vectors": unknown,
	} {
		if _, err := New(packed(t, code)).Start(context.Background(), plenty); err == nil {
			t.Errorf("%s is started", name)
		}
	}
	if _, err := New([]byte("not packed")).Start(context.Background(), plenty); err == nil {
		t.Error("code that is not packed is started")
	}
}

func FuzzInterruptible(f *testing.F) {
	f.Add(endless)
	f.Fuzz(func(t *testing.T, code []byte) {
		out, err := interruptible(code)
		if err == nil && len(out) < 8 {
			t.Fatalf("%d bytes became %d", len(code), len(out))
		}
	})
}

// A run ends when its work is used up, however long its context lasts.
func TestWorkEnds(t *testing.T) {
	run, err := New(packed(t, endless)).Start(context.Background(), Limits{Work: 100 * interruptEvery, Memory: MaxMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := run.Call("spin"); !errors.Is(err, ErrWork) || run.WorkLeft() >= 0 {
		t.Errorf("%v with work for %d left, want %v", err, run.WorkLeft(), ErrWork)
	}
}

// Memory grows up to its limit and keeps what is in it.
func TestMemoryLimit(t *testing.T) {
	m := &memory{limit: 100}
	copy(m.Reallocate(10), "contents")
	if b := m.Reallocate(60); len(b) != 60 || string(b[:8]) != "contents" {
		t.Errorf("%q after growing", b)
	}
	if b := m.Reallocate(101); b != nil {
		t.Errorf("%d bytes beyond the limit", len(b))
	}
	if b := m.Reallocate(100); len(b) != 100 || string(b[:8]) != "contents" {
		t.Errorf("%q at the limit", b)
	}
}
