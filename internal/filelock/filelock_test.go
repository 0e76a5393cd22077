//go:build linux || darwin || windows

package filelock

import (
	"os"
	"path/filepath"
	"testing"
)

// Two openings of one file stand for two processes.
func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b, c := open(), open(), open()
	if err := Shared(a); err == ErrNone {
		t.Skip("this file system has no locks")
	}
	if err := Shared(b); err != nil {
		t.Errorf("two readers: %v", err)
	}
	if err := Exclusive(c); err != ErrBusy {
		t.Errorf("beside readers: got %v, expected %v", err, ErrBusy)
	}
	Unlock(a)
	b.Close()
	if err := Exclusive(c); err != nil {
		t.Errorf("after them: %v", err)
	}
	if err := Shared(a); err != ErrBusy {
		t.Errorf("a reader beside a writer: got %v, expected %v", err, ErrBusy)
	}
}
