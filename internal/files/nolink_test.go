package files

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestOpenRegular(t *testing.T) {
	dir := t.TempDir()
	target, link, plain := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "plain")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{target, filepath.Join(dir, "missing"), dir} {
		_ = os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		if f, err := OpenRegular(link, os.O_RDWR|os.O_CREATE); !errors.Is(err, ErrLink) {
			t.Errorf("a link to %s: %v, %v, expected ErrLink", to, f, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing")); err == nil {
		t.Error("the target of a link was created")
	}
	for range 2 {
		f, err := OpenRegular(plain, os.O_RDWR|os.O_CREATE|os.O_APPEND)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if data, _ := os.ReadFile(plain); string(data) != "xx" {
		t.Errorf("the file has %q, expected xx", data)
	}
}
