package picture

import "testing"

func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"a b/\u65e5\u672c.jpg": "a b/\u65e5\u672c.jpg",
		"a\nb":                 `"a\nb"`,
		"\x1b[2J.jpg":          `"\x1b[2J.jpg"`,
		"a\u202ebmp.jpg":       `"a\u202ebmp.jpg"`,
		"\xff.jpg":             `"\xff.jpg"`,
		"":                     "",
	} {
		if got := Printable(name); got != want {
			t.Errorf("%q: %s, expected %s", name, got, want)
		}
	}
}
