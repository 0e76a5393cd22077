package dataset

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
)

// plainText gives a list as UTF-8 with \n at the ends of lines. Spreadsheets also write UTF-16, a
// byte order mark, and on old systems \r alone.
func plainText(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		text = text[3:]
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		text = fromUTF16(text[2:], binary.LittleEndian)
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		text = fromUTF16(text[2:], binary.BigEndian)
	case len(text) > 1 && text[0] != 0 && text[1] == 0: // without a mark; lists begin with ASCII
		text = fromUTF16(text, binary.LittleEndian)
	case len(text) > 1 && text[0] == 0 && text[1] != 0:
		text = fromUTF16(text, binary.BigEndian)
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
}

// fromUTF16 converts to UTF-8.
func fromUTF16(text []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}
