// Command tiles prepares and prints what scripts/tiles-table.sh measures.
//
// That is how much better a network finds small edits in tiles of a picture's own pixels than in
// the picture scaled to its input.
//
//	go run ./tools/tiles -backbone FILE.safetensors      # a tiny DINOv3 with random weights
//	go run ./tools/tiles -photos DIR -out DIR            # photographs of 3 megapixels
//	go run ./tools/tiles -table NAME.json...             # results of declip eval --json, as a table
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	backbone := flag.String("backbone", "", "write a tiny backbone with random weights to this `file`")
	photos := flag.String("photos", "", "continue the photographs in this `directory` to 3 megapixels")
	out := flag.String("out", "", "`directory` for the photographs of -photos")
	most := flag.Int("most", 1000, "at most `n` photographs")
	table := flag.Bool("table", false, "print the results in the files that follow as a table")
	flag.Parse()
	if err := run(*backbone, *photos, *out, *most, *table, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "tiles:", err)
		os.Exit(1)
	}
}

func run(backbone, photos, out string, most int, table bool, files []string) error {
	switch {
	case backbone != "":
		return writeBackbone(backbone)
	case photos != "" && out != "":
		return continueAll(photos, out, most)
	case table && len(files) > 0:
		return printTable(os.Stdout, files)
	}
	return errors.New("expected -backbone FILE, -photos DIR -out DIR, or -table and files of results")
}
