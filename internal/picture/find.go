package picture

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Found is what Find saw below a directory.
type Found struct {
	Pictures []string
	LeftOut  LeftOut
	Failed   []error // *fs.PathError: directories that cannot be read
}

// LeftOut lists the files of a directory that are not used.
type LeftOut []string

// Counts are the numbers of files by extension in lower case; "" is a name without one.
func (l LeftOut) Counts() map[string]int {
	counts := map[string]int{}
	for _, path := range l {
		counts[strings.ToLower(filepath.Ext(path))]++
	}
	return counts
}

// String counts the files and names the first few, such as "2 files that are not pictures (.heic 1,
// .txt 1): a.heic, b.txt". It is "" if there are none.
func (l LeftOut) String() string {
	if len(l) == 0 {
		return ""
	}
	counts := l.Counts()
	var kinds []string
	for _, ext := range slices.Sorted(maps.Keys(counts)) {
		name := ext
		if ext == "" {
			name = "without extension"
		}
		kinds = append(kinds, fmt.Sprintf("%s %d", Printable(name), counts[ext]))
	}
	const shown = 5
	var names []string
	for _, path := range l[:min(shown, len(l))] {
		names = append(names, Printable(path))
	}
	more := ""
	if n := len(l) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	what := "1 file that is not a picture"
	if n := len(l); n > 1 {
		what = fmt.Sprintf("%d files that are not pictures", n)
	}
	return fmt.Sprintf("%s (%s): %s%s", what, strings.Join(kinds, ", "), strings.Join(names, ", "), more)
}

// Find lists the pictures below a directory by their extensions, in lexical order. Hidden files and
// directories are passed over, as is every directory for which skip, if set, holds. Links to
// directories are followed, each directory being read once, so that links in a circle end.
func Find(root string, skip func(dir string) bool) Found {
	f := finder{skip: skip, seen: map[string]bool{}}
	f.directory(root)
	return f.found
}

type finder struct {
	skip  func(dir string) bool
	seen  map[string]bool // directories by their real paths
	found Found
}

func (f *finder) directory(dir string) {
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		if abs, err := filepath.Abs(target); err == nil {
			target = abs
		}
		if f.seen[target] {
			return
		}
		f.seen[target] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.found.Failed = append(f.found.Failed, err)
	}
	// A directory that is also linked is listed under its own name: links come last.
	var links []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			f.enter(path)
		case e.Type()&fs.ModeSymlink != 0 && leadsToDirectory(path):
			links = append(links, path)
		case HasExtension(path):
			f.found.Pictures = append(f.found.Pictures, path)
		default:
			f.found.LeftOut = append(f.found.LeftOut, path)
		}
	}
	for _, path := range links {
		f.enter(path)
	}
}

func (f *finder) enter(dir string) {
	if f.skip == nil || !f.skip(dir) {
		f.directory(dir)
	}
}

func leadsToDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
