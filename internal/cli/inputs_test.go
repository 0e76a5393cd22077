package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Results of any picture have names that the file system takes, each one different.
func TestNameResults(t *testing.T) {
	long := strings.Repeat("日", 77)
	names := []string{
		long + ".jpg", long + "月.jpg", long + "月.png", strings.Repeat("a", 251) + ".jpg", strings.Repeat("a", 251) + ".png",
		strings.Repeat("A", 251) + ".jpg", "a\nb.jpg", "-o.jpg", "--help.png", "Straße.jpg", "STRASSE.jpg", "x.jpg", "X.jpg", "x.JPG", ".png", "\xff\xfe.jpg",
	}
	var inputs []input
	for _, name := range names {
		inputs = append(inputs, input{path: filepath.Join("in", name)})
	}
	suffixes := resultWriter{labels: []string{"declip-vit-ldm"}}.suffixes()
	nameResults(inputs, suffixes)
	dir, seen := t.TempDir(), map[string]string{}
	for _, in := range inputs {
		for _, suffix := range suffixes {
			name := in.stem + suffix
			if other, taken := seen[strings.ToLower(name)]; taken {
				t.Errorf("%q and %q share the result %q", in.path, other, name)
			}
			seen[strings.ToLower(name)] = in.path
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Errorf("%q: %v", in.path, err)
			}
		}
	}
	if got := inputs[0].stem; !utf8.ValidString(got) || !strings.HasPrefix(got, "日日") {
		t.Errorf("%q is named %q", names[0], got)
	}
	if got := inputs[11].stem; got != "x" {
		t.Errorf("x.jpg is named %q", got)
	}
}

// A name with a line end does not break the lines of the text.
func TestNameOnOneLine(t *testing.T) {
	var out, errs bytes.Buffer
	for text, want := range map[string]string{"in/a b.jpg": "in/a b.jpg", "a\nb.jpg": `"a\nb.jpg"`, "a\x1b[2J.jpg": `"a\x1b[2J.jpg"`} {
		if got := quoted(text); got != want {
			t.Errorf("%q is printed as %s, expected %s", text, got, want)
		}
	}
	if code := Run(t.Context(), []string{"localize", "--", "-no-such.jpg"}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "-no-such.jpg: no such file") {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
}
