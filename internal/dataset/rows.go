package dataset

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/declip/declip/internal/dataset/parquet"
)

// cell is the picture or the mask in a row of a Parquet file.
type cell struct {
	read func(row int) ([]byte, error)
	row  int
}

func (c cell) bytes() ([]byte, error) { return c.read(c.row) }

// parquetFiles lists the files of a LayoutParquet: itself, or those in the directory or in its data
// directory.
func parquetFiles(dir string) []string {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return []string{dir}
	}
	var files []string
	for _, sub := range []string{dir, filepath.Join(dir, "data")} {
		list, _ := filepath.Glob(filepath.Join(escaped(sub), "*"+parquet.Extension))
		files = append(files, list...)
	}
	slices.Sort(files)
	return files
}

func isParquet(dir string) bool { return len(parquetFiles(dir)) > 0 }

// shard matches the names of Hugging Face's files: the name of the split, and a number.
var shard = regexp.MustCompile(`^(.+)-\d+-of-\d+$`)

// listParquet lists the rows of Parquet files with pictures and masks, such as those of OpenSDID.
func listParquet(dir string) (items []item, notices []string, err error) {
	files := parquetFiles(dir)
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("%s is not a data set in the layout of Parquet files: expected *%s in it, or in its directory data", dir, parquet.Extension)
	}
	for _, name := range files {
		list, err := listRows(name)
		if err != nil {
			return nil, nil, fmt.Errorf("data set: %w", err)
		}
		items = append(items, list...)
	}
	if len(items) == 0 {
		return nil, nil, fmt.Errorf("data set %s: %w", dir, ErrEmpty)
	}
	return items, []string{dir + ": the sizes of pictures and masks in Parquet files are compared when they are used"}, nil
}

// listRows lists the pictures of one file. What its name has before the number is a split or,
// unless it is the usual name of one, a set.
func listRows(name string) ([]item, error) {
	f, err := parquet.Open(name)
	if err != nil {
		return nil, err
	}
	rows, err := f.Rows()
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	split, set := "", setTampered
	if m := shard.FindStringSubmatch(stemOf(filepath.Base(name))); m != nil {
		if isSplit(m[1]) {
			split = splitOf(m[1])
		} else {
			set = m[1]
		}
	}
	items := make([]item, len(rows))
	for i, r := range rows {
		items[i] = rowItem(f, name, i, r)
		items[i].bytes, items[i].Split = info.Size(), split
		if items[i].Label != Untouched {
			items[i].Set = set
			items[i].Method = rowMethod(set, r.Key)
		}
	}
	return items, nil
}

// rowItem is a row's picture.
func rowItem(f *parquet.File, name string, i int, r parquet.Row) item {
	it := authentic(name + "/" + r.Key)
	it.name = path.Base(filepath.ToSlash(r.Key))
	it.inside = cell{f.Image, i}
	switch {
	case r.Labelled && r.Label == 0:
		return it
	case r.Labelled:
		it.Label = Manipulated
	default:
		it.Label = Unlabelled
	}
	if f.HasMasks() {
		it.Mask = it.Image + " (mask)"
		it.truth = blobMask{cell{f.Mask, i}, it.Mask}
	}
	return it
}

// rowMethod is the set with "partial" or "entire" where the key begins with it, as in OpenSDID.
func rowMethod(set, key string) string {
	first, _, _ := strings.Cut(key, "/")
	if first == "partial" || first == "entire" {
		return set + " " + first
	}
	return set
}
