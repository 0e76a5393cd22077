package picture

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns a file's name for messages. A name with control characters, with characters
// that change the direction of text, or that is not valid UTF-8 is quoted: it could add lines to a
// log or control a terminal.
func Printable(name string) string {
	unsafe := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
	if strings.ContainsFunc(name, unsafe) || !utf8.ValidString(name) {
		return strconv.QuoteToGraphic(name)
	}
	return name
}
