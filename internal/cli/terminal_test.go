package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// File names cannot command the terminal that they are shown on, nor fake lines, in results or in
// errors.
func TestNamesOnATerminal(t *testing.T) {
	before := isTerminal
	t.Cleanup(func() { isTerminal = before })
	t.Chdir(t.TempDir())
	data, err := encodePicture(".png", scene(64, 48))
	if err != nil {
		t.Fatal(err)
	}
	const good, bad = "a\x1b]0;owned\x07\nb.png: 0.0 %.png", "c\x1b[2J\nd.png"
	for name, data := range map[string][]byte{good: data, bad: []byte("not a picture")} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, terminal := range []bool{true, false} {
		isTerminal = func(io.Writer) bool { return terminal }
		var stdout, stderr bytes.Buffer
		code := Run(context.Background(), []string{"localize", "-o", filepath.Join(t.TempDir(), "out"), good, bad, "missing\x1b[2J.png"}, &stdout, &stderr)
		if code != exitFailed {
			t.Errorf("exit code %d: %s", code, stderr.String())
		}
		for name, text := range map[string]string{"stdout": stdout.String(), "stderr": stderr.String()} {
			if terminal && strings.ContainsAny(text, "\x1b\x07") {
				t.Errorf("%s: control characters on a terminal: %q", name, text)
			}
			if strings.Contains(text, "\nb.png: 0.0") || strings.Contains(text, "\nd.png") {
				t.Errorf("%s: a name begins a line of its own: %q", name, text)
			}
		}
	}
}
