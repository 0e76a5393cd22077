package picture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/declip/declip/internal/picture/heif"
	"github.com/declip/declip/internal/picture/jp2"
	"github.com/declip/declip/internal/picture/jxl"
	"github.com/declip/declip/internal/picture/pnm"
)

// sniff detects the format from the first bytes; the file's name is ignored.
func sniff(data []byte) (string, error) {
	if len(data) == 0 {
		return "", ErrEmpty
	}
	starts := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	switch {
	case starts("\xff\xd8\xff"):
		return "jpeg", nil
	case starts("\x89PNG\r\n\x1a\n"):
		return "png", nil
	case starts("GIF87a"), starts("GIF89a"):
		return "gif", nil
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return "webp", nil
	case starts("II*\x00"), starts("MM\x00*"), starts("II+\x00"), starts("MM\x00+"):
		return "tiff", nil
	case starts("BM") && len(data) >= 18 && !looksLikeText(data):
		return "bmp", nil
	case pnm.Is(data):
		return "pnm", nil
	case heif.Kind(data) != "":
		return heif.Kind(data), nil
	case jp2.Is(data):
		return "jp2", nil
	case jxl.Is(data):
		return "jxl", nil
	}
	if name := otherFormat(data); name != "" {
		return "", fmt.Errorf("%w: it is %s", ErrFormat, name)
	}
	if at := bytes.Index(data[:min(len(data), 4096)], []byte("\xff\xd8\xff")); at > 0 {
		return "", fmt.Errorf("%w: a JPEG picture begins at byte %d; remove what is before it", ErrFormat, at)
	}
	return "", ErrFormat
}

// otherFormat names unsupported formats that users are likely to try, so that the message helps.
func otherFormat(data []byte) string {
	if len(data) >= 12 && string(data[4:8]) == "ftyp" {
		return "a video or other ISO media file"
	}
	for _, f := range []struct{ magic, name string }{
		{"8BPS", "a Photoshop document"}, {"%PDF", "a PDF document"}, {"PK\x03\x04", "a zip archive"},
	} {
		if bytes.HasPrefix(data, []byte(f.magic)) {
			return f.name
		}
	}
	if looksLikeText(data) {
		return "text"
	}
	return ""
}

func looksLikeText(data []byte) bool {
	head := data[:min(len(data), 512)]
	for len(head) > 0 {
		r, size := utf8.DecodeRune(head)
		if r == utf8.RuneError && size == 1 {
			// A rune cut by the end of the sample does not mean binary data.
			return len(head) < utf8.UTFMax && len(data) > 512
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' {
			return false
		}
		head = head[size:]
	}
	return true
}

// endsEarly reports whether a decoder's error means missing data. The decoders report that in
// different ways, some only in the text.
func endsEarly(err error) bool {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return true
	}
	text := err.Error()
	for _, s := range []string{"unexpected EOF", "not enough image data", "short chunk data", "short chunk header", "missing chunk data", "not enough pixel data"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// Extensions are the extensions of files in the formats that Decode reads, in lower case.
var Extensions = []string{
	".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".pjpeg", ".pjp", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif",
	".pnm", ".pbm", ".pgm", ".ppm", ".pam", ".heic", ".heif", ".hif", ".avif",
	".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jph", ".jhc", ".jxl",
}

// HasExtension reports whether a file is named like a picture that Decode reads. Decode itself
// ignores the name.
func HasExtension(path string) bool {
	return slices.Contains(Extensions, strings.ToLower(filepath.Ext(path)))
}
