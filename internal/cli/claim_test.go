package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every command that writes a file of results refuses to replace one, before it does any work.
func TestNoResultIsReplaced(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "result")
	if err := os.WriteFile(file, []byte("hours of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "nothing"), link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		for _, args := range [][]string{
			{"calibrate", "--data", dir, "-o", path},
			{"forge", "train-autoencoder", "--photos", dir, "-o", path},
			{"models", "convert", "lite", "-o", path},
			{"models", "export", "lite", "-o", path},
			{"eval", "--data", dir, "--csv", path},
			{"data", "check", dir, "--sheet", path},
		} {
			var out, errs bytes.Buffer
			code := Run(t.Context(), args, &out, &errs)
			if code != 1 || !strings.Contains(errs.String(), "--force") || !strings.Contains(errs.String(), path) {
				t.Errorf("declip %s: exit code %d: %s", strings.Join(args, " "), code, &errs)
			}
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "hours of work" {
		t.Errorf("the file holds %q: %v", data, err)
	}
}

func TestCheckNew(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "result")
	if err := checkNew(file, false); err != nil {
		t.Error(err)
	}
	if err := checkNew(filepath.Join(dir, "missing", "result"), true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkNew(file, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing file: %v", err)
	}
	if err := checkNew(file, true); err != nil {
		t.Error(err)
	}
	if err := checkNew(os.DevNull, false); err != nil {
		t.Error(err)
	}
}
