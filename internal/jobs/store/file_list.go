package store

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/declip/declip/internal/files"
)

// keptTemporary is how long a temporary file may belong to a writer that still lives.
const keptTemporary = 24 * time.Hour

// List is Store.List. Temporary files of writers are not objects; those that are older than a day
// are removed, unless the store was opened for reading only.
func (d *dir) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		folder, _ := path.Split(prefix)
		d.list(ctx, path.Clean("./"+folder), prefix, yield)
	}
}

// list gives the objects below a directory. It returns false if the listing must stop.
func (d *dir) list(ctx context.Context, folder, prefix string, yield func(Info, error) bool) bool {
	entries, err := d.entries(folder)
	if err != nil {
		return yield(Info{}, err) && false
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return yield(Info{}, context.Cause(ctx)) && false
		}
		key := path.Join(folder, e.Name())
		switch {
		case e.IsDir():
			if below := key + "/"; strings.HasPrefix(below, prefix) || strings.HasPrefix(prefix, below) {
				if !d.list(ctx, key, prefix, yield) {
					return false
				}
			}
		case !strings.HasPrefix(key, prefix) || files.IsTemporary(e.Name()) && d.sweep(e, key):
		default:
			if info, err := d.listed(ctx, key, e); info.Key != "" && !yield(info, err) {
				return false
			}
		}
	}
	return true
}

// entries reads a directory in the order of the keys of its objects. A missing directory has none.
func (d *dir) entries(folder string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(filepath.FromSlash(folder))
	var entries []fs.DirEntry
	if err == nil {
		entries, err = f.ReadDir(-1)
		f.Close()
	}
	if err := fileError(folder, err); isNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	// The objects of a directory come behind those whose names continue with a byte below "/".
	name := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(name(a), name(b)) })
	return entries, nil
}

// listed describes an entry that is not a directory. An entry that has gone has no key.
func (d *dir) listed(ctx context.Context, key string, e fs.DirEntry) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{Key: key}, err
	}
	if e.Type()&fs.ModeSymlink != 0 {
		target, err := d.root.Stat(filepath.FromSlash(key))
		if err == nil && target.IsDir() {
			return Info{Key: key}, fmt.Errorf("%s: %w: links to directories are not followed", key, ErrDenied)
		}
		if err != nil {
			return Info{Key: key}, fileError(key, err)
		}
	}
	info, err := d.Stat(ctx, key)
	if err != nil {
		if isNotFound(err) {
			return Info{}, nil
		}
		return Info{Key: key}, err
	}
	return info, nil
}

// sweep removes an old temporary file. It always returns true: the file is not an object.
func (d *dir) sweep(e fs.DirEntry, key string) bool {
	if info, err := e.Info(); err == nil && !d.readOnly && time.Since(info.ModTime()) > keptTemporary {
		_ = files.RemoveIn(d.root, key) // or the next listing tries
	}
	return true
}
