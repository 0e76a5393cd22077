//go:build unix

package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// The archive is created for its owner only.
func TestArchiveDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "archive")
	serving(t, "--keep", dir)
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, expected 0700", info.Mode())
	}
}
