package jp2

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/picture/rastertest"
)

var reader = rastertest.Reader{ReadSize: ReadSize, Decode: Decode}

// files gives the pictures of the cases.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	return rastertest.Files(t, 13, "cases/other/*.j[p2][2k]")
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
	for name, data := range files(f) {
		if strings.HasPrefix(name, "grey") || strings.HasPrefix(name, "s420") || strings.HasPrefix(name, "palette") {
			f.Add(data)
		}
	}
	reader.FuzzDecode(f)
}

// Damaged files are errors or pictures of the header's size.
func TestDamaged(t *testing.T) {
	for name, data := range files(t) {
		reader.CheckDamaged(t, name, data, len(data)/5, len(data)/3, len(data)/2, len(data)-40)
	}
}

// A file without its second half is said to end early.
func TestTruncated(t *testing.T) {
	for name, data := range files(t) {
		for _, n := range []int{20, len(data) / 2, len(data) - 20} {
			if _, err := Decode(t.Context(), data[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %d of %d bytes: %v, want %v", name, n, len(data), err, io.ErrUnexpectedEOF)
			}
		}
	}
}

// Sizes in the two headers must agree, whichever is changed.
func TestSizes(t *testing.T) {
	data := files(t)["grey.jp2"]
	for says, at := range map[string]int{"the header says 61 x 63": bytes.Index(data, []byte("ihdr")) + 4, "the codestream 61 x 63": bytes.Index(data, []byte(codestream)) + 12} {
		if got := binary.BigEndian.Uint32(data[at:]); got != 47 {
			t.Fatalf("height %d at byte %d", got, at)
		}
		other := bytes.Clone(data)
		other[at+3] = 63
		if _, err := Decode(t.Context(), other); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	huge := bytes.Clone(data)
	for _, at := range []int{bytes.Index(data, []byte("ihdr")) + 4, bytes.Index(data, []byte(codestream)) + 12} {
		binary.BigEndian.PutUint32(huge[at:], 1<<30)
	}
	if w, h, err := ReadSize(huge); err != nil || w != 61 || h != 1<<30 {
		t.Errorf("%d x %d pixels, %v", w, h, err)
	}
	if _, err := Decode(t.Context(), huge); err == nil {
		t.Error("a picture of 61 x 2^30 pixels was decoded")
	}
}

// Colours that are not converted are refused by name.
func TestColours(t *testing.T) {
	data := bytes.Clone(files(t)["ycc.jp2"])
	at := bytes.Index(data, []byte("colr")) + 7
	for n, says := range map[uint32]string{headerLab: "CIELab", headerExtendedYCC: "e-sYCC", headerCMY: "CMY"} {
		binary.BigEndian.PutUint32(data[at:], n)
		if _, err := Decode(t.Context(), data); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("colour space %d: %v, want %q", n, err, says)
		}
	}
}

// Samples of all depths fill the range of 8 bits.
func TestScale(t *testing.T) {
	for _, c := range []struct {
		component
		sample int32
		want   uint8
	}{
		{component{bits: 1}, 1, 255},
		{component{bits: 4}, 7, 119},
		{component{bits: 8}, 200, 200},
		{component{bits: 8, signed: true}, -128, 0},
		{component{bits: 8, signed: true}, 127, 255},
		{component{bits: 12}, 4095, 255},
		{component{bits: 16}, 65535, 255},
		{component{bits: 16}, 257*90 + 129, 91},
		{component{bits: 8}, 300, 255},
		{component{bits: 8}, -1, 0},
		{component{bits: 31}, 1 << 30, 128},
	} {
		if got := c.scale(c.sample); got != c.want {
			t.Errorf("%d of %d bits becomes %d, want %d", c.sample, c.bits, got, c.want)
		}
	}
}

// The decoder stops when its context ends, and waits for its place only that long.
func TestCancelled(t *testing.T) {
	data := files(t)["a.jp2"]
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

// The decoder is the one that scripts/jp2/build.sh makes.
func TestCode(t *testing.T) {
	const want = "174e2fdf7858eab80e67672aa224e2751f664d722a91b0cf84327758d23cf8c9"
	if sum := sha256.Sum256(code); hex.EncodeToString(sum[:]) != want {
		t.Errorf("jp2.wasm.gz has the SHA-256 %x, want %s", sum, want)
	}
}
