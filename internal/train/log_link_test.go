package train

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/files"
)

// A link at the place of the log is refused, and its target keeps its contents: in a directory that
// others can write, it would overwrite a file of the user's.
func TestLogIsNoLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, logFile)); err != nil {
		t.Fatal(err)
	}
	for _, resumed := range []bool{false, true} {
		if _, err := openJournal(dir, resumed, State{}); !errors.Is(err, files.ErrLink) {
			t.Errorf("resumed %v: error %v, expected ErrLink", resumed, err)
		}
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != "kept" {
		t.Errorf("the target has %q, %v", data, err)
	}
}
