package report

import (
	"bytes"
	"fmt"
	"unicode"
)

// visible writes out the characters of a page or figure that reverse the direction of text, and
// control characters, which XML does not allow. With them, the name of a picture could change how
// the numbers after it read.
func visible(text []byte) []byte {
	hidden := func(r rune) bool {
		return unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
	}
	if bytes.IndexFunc(text, hidden) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for _, r := range string(text) {
		if hidden(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, string(r)...)
		}
	}
	return out
}
