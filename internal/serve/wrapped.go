package serve

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/declip/declip/internal/picture"
)

// wrappings are forms in which pictures are sent by mistake, with how they begin.
var wrappings = []struct{ begin, name string }{
	{"\x1f\x8b", "compressed with gzip"},
	{"\x28\xb5\x2f\xfd", "compressed with zstd"},
	{"BZh", "compressed with bzip2"},
	{"\xfd7zXZ\x00", "compressed with xz"},
	{"PK\x03\x04", "a ZIP archive"},
	{"data:", "a data: URL"},
	{"{", "JSON"},
	{"[", "JSON"},
	{"\"", "JSON"},
	{"image=", "a URL-encoded form"},
	{"--", "a form without its Content-Type"},
}

// wrapping names what a body is instead of a picture's file; empty if that is not known.
func wrapping(data []byte) string {
	text := bytes.TrimLeft(data[:min(len(data), 4096)], " \t\r\n")
	for _, w := range wrappings {
		if len(text) >= len(w.begin) && bytes.EqualFold(text[:len(w.begin)], []byte(w.begin)) {
			return w.name
		}
	}
	if holdsBase64(text) {
		return "encoded with base64"
	}
	return ""
}

// holdsBase64 reports whether a text is the beginning of a picture in base64, also that for URLs.
func holdsBase64(text []byte) bool {
	plain := bytes.Map(func(r rune) rune {
		switch r {
		case '-':
			return '+'
		case '_':
			return '/'
		case '\r', '\n', '=':
			return -1
		}
		return r
	}, text)
	plain = plain[:len(plain)/4*4]
	decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(plain)))
	n, err := base64.RawStdEncoding.Decode(decoded, plain)
	if err != nil || n == 0 {
		return false
	}
	_, _, _, err = picture.Header(decoded[:n])
	return !errors.Is(err, picture.ErrFormat) && !errors.Is(err, picture.ErrEmpty)
}

// wrapped is the problem of a body that is not a picture in a known format: it names what the body
// is instead, if that is known.
func wrapped(data []byte, err error) error {
	if name := wrapping(data); errors.Is(err, picture.ErrFormat) && name != "" {
		return problemf(http.StatusUnsupportedMediaType, codeEncoding, "the picture is %s: send the bytes of its file, as the body or as field %q of a form", name, fieldImage)
	}
	return badPicture(err)
}
