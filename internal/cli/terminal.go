package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/declip/declip/internal/picture"
)

// isTerminal reports whether w is a terminal. It is a variable for tests.
var isTerminal = func(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalText is a text for w. On a terminal, control characters are escaped, except those that
// lay out text.
func terminalText(w io.Writer, text string) string {
	if !isTerminal(w) || !strings.ContainsFunc(text, commands) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if commands(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// commands reports whether a character controls a terminal or the direction of text.
func commands(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
}

// quoted returns a path for messages, quoted if it has control characters.
func quoted(path string) string { return picture.Printable(path) }
