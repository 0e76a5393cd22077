package heif

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/declip/declip/internal/picture/rastertest"
)

var reader = rastertest.Reader{ReadSize: ReadSize, Decode: Decode}

// files gives the pictures of the cases.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	return rastertest.Files(t, 7, "cases/other/*.heic", "cases/other/*.avif")
}

// The header alone is read outside the sandbox.
func FuzzReadSize(f *testing.F) {
	for _, data := range files(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		Kind(data)
		if w, h, err := ReadSize(data); err == nil && (w < 1 || h < 1) {
			t.Fatalf("%d x %d pixels", w, h)
		}
	})
}

// Damaged files are errors or pictures of the header's size.
func TestDamaged(t *testing.T) {
	for name, data := range files(t) {
		reader.CheckDamaged(t, name, data, len(data)/3, len(data)/2, len(data)-40)
	}
}

// A decoder stops when its context ends.
func TestCancelled(t *testing.T) {
	for name, data := range files(t) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := Decode(ctx, data); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", name, err, context.Canceled)
		}
		ctx, stop := context.WithTimeout(context.Background(), time.Millisecond)
		if _, err := Decode(ctx, data); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want %v", name, err, context.DeadlineExceeded)
		}
		stop()
	}
}

// The decoders are those that the package comment names.
func TestCode(t *testing.T) {
	for name, c := range map[string]struct {
		code []byte
		sum  string
	}{
		"heif.wasm.gz": {heicCode, "3634a6447ea3915633667f39e01ff540a60f4e2f837a8391d044d76dfd8a0435"},
		"avif.wasm.gz": {avifCode, "1ee2423413384d54b3fa4e2882424d60a2a05f5fe7ec573535fdb6b531071a9b"},
	} {
		if sum := sha256.Sum256(c.code); hex.EncodeToString(sum[:]) != c.sum {
			t.Errorf("%s has the SHA-256 %x", name, sum)
		}
	}
}
