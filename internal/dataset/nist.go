package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// nistIndex is the index of LayoutNIST16, below its directory.
const nistIndex = "reference/manipulation/NC2016-manipulation-ref.csv"

func isNIST16(dir string) bool { return exists(filepath.Join(dir, filepath.FromSlash(nistIndex))) }

// nistMethods are the columns of the index that say how a picture was manipulated.
var nistMethods = [][2]string{
	{"IsManipulationTypeRemoval", "removal"}, {"IsManipulationTypeSplice", "splicing"}, {"IsManipulationTypeCopyClone", "copy-move"},
}

// listNIST16 lists the pictures of the index of LayoutNIST16, a CSV file with | between columns.
// Masks are black where a picture was manipulated.
func listNIST16(dir string) ([]item, error) {
	path := filepath.Join(dir, filepath.FromSlash(nistIndex))
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a data set in the layout of NIST16: expected %s in it", dir, nistIndex)
	}
	if err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	items, err := readNIST(dir, string(plainText(text)))
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", path, err)
	}
	return items, nil
}

func readNIST(dir, text string) ([]item, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.LazyQuotes = '|', true
	head, err := r.Read()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"ProbeFileName", "ProbeMaskFileName", "IsTarget"} {
		if !slices.Contains(head, name) {
			return nil, fmt.Errorf("first line has no column %q", name)
		}
	}
	var items []item
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		column := func(name string) string {
			if i := slices.Index(head, name); i >= 0 {
				return strings.TrimSpace(row[i])
			}
			return ""
		}
		items = append(items, nistItem(dir, column))
	}
	if len(items) == 0 {
		return nil, ErrEmpty
	}
	return items, nil
}

// nistItem is a row of the index.
func nistItem(dir string, column func(name string) string) item {
	it := authentic(within(dir, column("ProbeFileName")))
	if column("IsTarget") == "Y" {
		it.Set, it.Label, it.Inverted = setTampered, Unlabelled, true
		for _, m := range nistMethods {
			if column(m[0]) == "Y" {
				it.Method = m[1]
				break
			}
		}
		mask := column("ProbeMaskFileName")
		if it.Mask = within(dir, mask); mask == "" || !exists(it.Mask) {
			it.problem = fmt.Sprintf("the mask %q of %s does not exist", mask, it.Image)
		}
	}
	if !exists(it.Image) {
		it.problem = it.Image + " does not exist"
	}
	return it
}
