package store

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"
)

const mostKey = 1024 // bytes; what S3 takes

// CheckKey returns an ErrInvalid unless key is a relative path in UTF-8 of at most 1,024 bytes
// whose elements are joined by "/": none of them empty, "." or "..", without backslashes and
// control characters. Such a key names the same object in all kinds of stores and cannot leave one.
func CheckKey(key string) error {
	var why string
	switch {
	case key == "":
		why = "it is empty"
	case len(key) > mostKey:
		why = fmt.Sprintf("it has %d bytes, expected at most %d", len(key), mostKey)
	case !utf8.ValidString(key):
		why = "it is not UTF-8"
	case strings.HasPrefix(key, "/"):
		why = "expected a path relative to the store"
	case strings.ContainsFunc(key, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }):
		why = "backslashes and control characters are not permitted"
	case !fs.ValidPath(key) || key == ".":
		why = `empty elements, "." and ".." are not permitted`
	default:
		return nil
	}
	return fmt.Errorf("key %.200q: %w: %s", key, ErrInvalid, why)
}

// checkPrefix is CheckKey for prefixes, which may be empty and may end anywhere in a key.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckKey(strings.TrimSuffix(prefix, "/"))
}
