package dataset

import (
	"fmt"
	"io"
	"os"

	"github.com/declip/declip/internal/picture"
)

// headerSize reads width and height, in pixels, without decoding the picture.
func headerSize(path string) (w, h int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	const usual = 128 << 10 // bytes; enough for nearly every header, an embedded thumbnail included
	start, err := io.ReadAll(io.LimitReader(file, usual))
	if err != nil {
		return 0, 0, err
	}
	if _, w, h, err = picture.Header(start); err != nil && len(start) == usual {
		rest, failed := io.ReadAll(file)
		if failed != nil {
			return 0, 0, failed
		}
		_, w, h, err = picture.Header(append(start, rest...))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	return w, h, nil
}
