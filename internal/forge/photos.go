package forge

import (
	"container/list"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// minSide is the shorter side in pixels below which a photograph is skipped.
const minSide = 64

// Failure is a photograph that could not be used.
type Failure struct {
	Path string // relative to the directory of photographs
	Err  error  // names the file
}

// album decodes photographs and keeps the latest in bounded memory. The photographs are shared and
// must not be written to. It is safe for concurrent use.
type album struct {
	root   string
	paths  []string // relative, slash-separated, sorted
	limits picture.Limits
	budget int64

	mu     sync.Mutex
	used   int64
	recent *list.List // of *photo, latest first
	byPath map[string]*list.Element
	failed map[string]error
}

type photo struct {
	path string
	rgb  *picture.RGB
}

// photoExtensions are those of pictures, without .gif: a GIF is not a photograph.
var photoExtensions = slices.DeleteFunc(slices.Clone(picture.Extensions), func(e string) bool { return e == ".gif" })

// openAlbum lists the photographs under root.
func openAlbum(root string, limits picture.Limits, budget int64) (*album, error) {
	paths, err := Photos(root)
	if err != nil {
		return nil, err
	}
	return &album{
		root: root, limits: limits, budget: budget, paths: paths,
		recent: list.New(), byPath: map[string]*list.Element{}, failed: map[string]error{},
	}, nil
}

// Photos lists the photographs under root, relative to it with slashes, sorted. Hidden files and
// directories are left out, and linked directories are read once, as by picture.Find. If there are
// none the error is ErrNoPhotos.
func Photos(root string) ([]string, error) {
	found := picture.Find(root, nil)
	for _, err := range found.Failed {
		return nil, fmt.Errorf("list photographs: %w", err)
	}
	var paths []string
	for _, path := range found.Pictures {
		if !slices.Contains(photoExtensions, strings.ToLower(filepath.Ext(path))) {
			continue
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return nil, fmt.Errorf("list photographs: %w", err)
		}
		paths = append(paths, filepath.ToSlash(rel))
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: %w (looked for %s)", root, ErrNoPhotos, strings.Join(photoExtensions, " "))
	}
	slices.Sort(paths)
	return paths, nil
}

// open returns the photograph with this index. A photograph that failed once is not tried again.
func (a *album) open(i int) (*picture.RGB, error) {
	path := a.paths[i]
	a.mu.Lock()
	if e := a.byPath[path]; e != nil {
		a.recent.MoveToFront(e)
		a.mu.Unlock()
		return e.Value.(*photo).rgb, nil
	}
	err := a.failed[path]
	a.mu.Unlock()
	if err != nil {
		return nil, err
	}
	// Decoded outside the lock: two workers may decode the same photograph, which costs less than
	// making the others wait.
	rgb, err := a.decode(path)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.failed[path] = err
		return nil, err
	}
	a.keep(path, rgb)
	return rgb, nil
}

// decode reads a photograph. A panic becomes an error that names the file.
func (a *album) decode(path string) (*picture.RGB, error) {
	file := filepath.Join(a.root, filepath.FromSlash(path))
	var d *picture.Picture
	err := parallel.Catch(func() (err error) {
		parallel.Point("load")
		d, err = picture.Open(file, a.limits)
		return err
	})
	switch {
	case parallel.Stack(err) != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case err != nil:
		return nil, err
	case min(d.RGB.Width, d.RGB.Height) < minSide:
		return nil, fmt.Errorf("%s: %d x %d pixels, expected at least %d on each side", file, d.RGB.Width, d.RGB.Height, minSide)
	}
	return d.RGB, nil
}

// keep stores a photograph and evicts the least recently used ones over the budget. The caller
// holds the lock.
func (a *album) keep(path string, rgb *picture.RGB) {
	if a.byPath[path] != nil {
		return
	}
	a.byPath[path] = a.recent.PushFront(&photo{path, rgb})
	a.used += int64(len(rgb.Pix))
	for a.used > a.budget && a.recent.Len() > 0 {
		e := a.recent.Back()
		old := a.recent.Remove(e).(*photo)
		delete(a.byPath, old.path)
		a.used -= int64(len(old.rgb.Pix))
	}
}

// failures lists the photographs that could not be used, by path.
func (a *album) failures() []Failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Failure
	for path, err := range a.failed {
		out = append(out, Failure{path, err})
	}
	slices.SortFunc(out, func(x, y Failure) int { return strings.Compare(x.Path, y.Path) })
	return out
}

// from opens the first usable photograph at or after position start of order, except the one with
// the given index (-1 for none).
func (a *album) from(order []int, start, except int) (*picture.RGB, int, error) {
	var last error
	for k := range order {
		i := order[(start+k)%len(order)]
		if i == except {
			continue
		}
		rgb, err := a.open(i)
		if err == nil {
			return rgb, i, nil
		}
		last = err
	}
	if last == nil {
		return nil, 0, errors.New("a second photograph is needed to paste from, found one")
	}
	return nil, 0, fmt.Errorf("none of the %d photographs in %s can be used; the last: %w", len(order), a.root, last)
}
