package cli

import (
	"slices"
	"testing"
)

func TestCompareNumbered(t *testing.T) {
	want := []string{"", "a", "a.b", "layer1.x", "layer2.0", "layer2.0.x", "layer2.a", "layer10.x", "layer010.y", "layer11", "visual"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareNumbered)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"größe 1":           "größe 1",
		"\x1b[31mred":       `"\x1b[31mred"`,
		"two\nlines":        `"two\nlines"`,
		"right\u202eleft":   `"right\u202eleft"`,
		string([]byte{255}): `"\xff"`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q becomes %s, expected %s", text, got, want)
		}
	}
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 481748: "0.5 MB", 99_949: "99.9 kB", 2_337_630_585: "2.34 GB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d bytes are %s, expected %s", n, got, want)
		}
	}
}
