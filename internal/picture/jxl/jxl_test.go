package jxl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/declip/declip/internal/picture/rastertest"
)

var reader = rastertest.Reader{ReadSize: ReadSize, Decode: Decode}

// files gives the pictures of the cases.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	return rastertest.Files(t, 9, "cases/other/*.jxl")
}

// The header alone is read outside the sandbox.
func FuzzReadSize(f *testing.F) {
	for _, data := range files(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if w, h, err := ReadSize(data); err == nil && (w < 1 || h < 1 || !Is(data)) {
			t.Fatalf("%d x %d pixels", w, h)
		}
	})
}

// A decoded picture has the header's size.
func FuzzDecode(f *testing.F) {
	all := files(f)
	for _, name := range []string{"box.jxl", "d2.jxl", "grey.jxl", "fromjpeg.jxl"} {
		f.Add(all[name])
	}
	reader.FuzzDecode(f)
}

// Damaged files are errors or pictures of the header's size.
func TestDamaged(t *testing.T) {
	for name, data := range files(t) {
		reader.CheckDamaged(t, name, data, len(data)/5, len(data)/3, len(data)/2, len(data)-40)
	}
}

// A file without its end is said to end early.
func TestTruncated(t *testing.T) {
	all := files(t)
	delete(all, "anim.jxl") // half of it holds the first frame
	for name, data := range all {
		for _, n := range []int{14, len(data) / 2} {
			if _, err := Decode(t.Context(), data[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %d of %d bytes: %v, want %v", name, n, len(data), err, io.ErrUnexpectedEOF)
			}
		}
	}
}

// writer writes numbers as bits reads them.
type writer struct {
	b []byte
	n int
}

func (w *writer) put(pairs ...int) []byte { // value, number of bits
	for i := 0; i < len(pairs); i += 2 {
		for k := range pairs[i+1] {
			if w.n&7 == 0 {
				w.b = append(w.b, 0)
			}
			w.b[w.n>>3] |= byte(pairs[i]>>k&1) << (w.n & 7)
			w.n++
		}
	}
	return append([]byte(codestream), w.b...)
}

// Sizes are read in all their forms (ISO/IEC 18181-1, D.2 and D.3).
func TestReadSize(t *testing.T) {
	for name, c := range map[string]struct {
		data          []byte
		width, height int
	}{
		"small, own width": {new(writer).put(1, 1, 2, 5, 0, 3, 4, 5, 1, 1), 40, 24},
		"small, ratio":     {new(writer).put(1, 1, 2, 5, 3, 3, 1, 1), 32, 24},
		"9 and 13 bits":    {new(writer).put(0, 1, 0, 2, 99, 9, 0, 3, 1, 2, 4999, 13, 1, 1), 5000, 100},
		"18 bits, 16:9":    {new(writer).put(0, 1, 2, 2, 89999, 18, 5, 3, 1, 1), 160000, 90000},
		"30 bits, square":  {new(writer).put(0, 1, 3, 2, 1<<30-1, 30, 1, 3, 1, 1), 1 << 30, 1 << 30},
		"orientation 4":    {new(writer).put(1, 1, 2, 5, 3, 3, 0, 1, 1, 1, 3, 3), 32, 24},
		"orientation 5":    {new(writer).put(1, 1, 2, 5, 3, 3, 0, 1, 1, 1, 4, 3), 24, 32},
		"no orientation":   {new(writer).put(1, 1, 2, 5, 3, 3, 0, 1, 0, 1, 7, 3), 32, 24},
	} {
		if w, h, err := ReadSize(c.data); err != nil || w != c.width || h != c.height {
			t.Errorf("%s: %d x %d pixels, %v; want %d x %d", name, w, h, err, c.width, c.height)
		}
	}
	for name, data := range map[string][]byte{
		"endless":          new(writer).put(0, 1, 3, 2, 1<<30-1, 30, 7, 3, 1, 1)[:6],
		"no codestream":    []byte(boxes),
		"part without end": []byte(boxes + "\x00\x00\x00\x0ajxlp\x00\x00"),
	} {
		if w, h, err := ReadSize(data); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d x %d pixels, %v; want %v", name, w, h, err, io.ErrUnexpectedEOF)
		}
	}
}

// The decoder stops when its context ends, and waits for its place only that long.
func TestCancelled(t *testing.T) {
	data := files(t)["a.jxl"]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Decode(ctx, data); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	running <- struct{}{}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Decode(ctx, data); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with all places taken: %v, want %v", err, context.DeadlineExceeded)
	}
	<-running
	if _, err := Decode(t.Context(), data); err != nil || len(running) != 0 {
		t.Errorf("afterwards: %v, %d places taken", err, len(running))
	}
}

// The decoder is the one that scripts/jxl/build.sh makes.
func TestCode(t *testing.T) {
	const want = "32ccc161e215541ac168a8c01150b5f20e40c0db0e75381fa12d6d93716218c7"
	if sum := sha256.Sum256(code); hex.EncodeToString(sum[:]) != want {
		t.Errorf("jxl.wasm.gz has the SHA-256 %x, want %s", sum, want)
	}
}
