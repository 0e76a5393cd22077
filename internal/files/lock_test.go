//go:build linux || darwin || windows

package files

import (
	"os"
	"path/filepath"
	"testing"
)

// Two openings of one file exclude each other as two processes do.
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
	if err := LockShared(a); err == ErrNoLocks {
		t.Skip("this file system has no locks")
	}
	if err := LockShared(b); err != nil {
		t.Errorf("two readers: %v", err)
	}
	if err := LockExclusive(c); err != ErrLocked {
		t.Errorf("with readers: got %v, expected %v", err, ErrLocked)
	}
	Unlock(a)
	b.Close()
	if err := LockExclusive(c); err != nil {
		t.Errorf("after the readers: %v", err)
	}
	if err := LockShared(a); err != ErrLocked {
		t.Errorf("a reader with a writer: got %v, expected %v", err, ErrLocked)
	}
}
