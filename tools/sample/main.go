// Command sample renders the project's sample picture and a manipulated version of it.
//
// The picture shows a lake in the mountains with a cabin, a boat and a balloon, as a camera might
// have taken it. It is computed without any photograph and is the same every time. The manipulated
// version (forged.jpg) and its mask (mask.png, 255 = manipulated) are written to the same
// directory.
//
//	go run ./tools/sample [-out testdata/sample/original.jpg]
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/picture"
)

func main() {
	out := flag.String("out", "testdata/sample/original.jpg", "file to write")
	width := flag.Int("width", 960, "width in pixels")
	height := flag.Int("height", 640, "height in pixels")
	flag.Parse()
	if err := run(*out, *width, *height); err != nil {
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(1)
	}
}

func run(out string, width, height int) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := picture.WriteJPEG(out, photograph(width, height, 1), 92); err != nil {
		return err
	}
	original, err := picture.Open(out, picture.Limits{})
	if err != nil {
		return err
	}
	manipulated, mask, err := forged(original.RGB)
	if err != nil {
		return err
	}
	if err := picture.WriteJPEG(filepath.Join(filepath.Dir(out), "forged.jpg"), manipulated, 90); err != nil {
		return err
	}
	return picture.WritePNG(filepath.Join(filepath.Dir(out), "mask.png"), mask)
}
