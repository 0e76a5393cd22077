package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/picture"
)

// LeftOut lists the files in the directories of the data set's pictures that are not used, because
// their names are not those of pictures, relative to the data set. It is empty for lists.
func (s *Set) LeftOut() picture.LeftOut { return s.leftOut }

// findLeftOut fills in leftOut of the data set at path.
func (s *Set) findLeftOut(path string) {
	if slices.Contains([]string{LayoutList, LayoutCOCO, LayoutParquet}, s.layout) {
		return
	}
	if s.layout == LayoutUntouched {
		for _, file := range picture.Find(path, nil).LeftOut {
			s.leave(path, file)
		}
		return
	}
	var dirs []string
	for _, it := range s.items {
		if dir := filepath.Dir(it.Image); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // it was read before
		for _, e := range entries {
			file := filepath.Join(dir, e.Name())
			if !strings.HasPrefix(e.Name(), ".") && !picture.HasExtension(file) && !isFolder(file) {
				s.leave(path, file)
			}
		}
	}
}

func (s *Set) leave(root, file string) {
	if rel, err := filepath.Rel(root, file); err == nil {
		file = filepath.ToSlash(rel)
	}
	s.leftOut = append(s.leftOut, file)
}
