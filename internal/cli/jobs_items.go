package cli

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/declip/declip/internal/jobs/manifest"
	"github.com/declip/declip/internal/jobs/store"
)

// localItems are the pictures of paths as items of localSource.
type localItems struct {
	items  []manifest.Item
	failed int    // paths that cannot be read
	hash   string // of the items, with the sizes and times of their files
}

// collectItems lists the pictures of paths, without the directory skip. What cannot be used is
// reported.
func (a *app) collectItems(paths []string, skip string) localItems {
	inputs, leftOut := collect(paths, skip)
	for _, l := range leftOut {
		a.notice(l.String())
	}
	var all localItems
	whole := sha256.New()
	bar := &progress{}
	for _, in := range inputs {
		item, facts, err := localItem(in)
		if err != nil {
			all.failed++
			_ = a.reportFailure(bar, in.path, err)
			continue
		}
		fmt.Fprintf(whole, "%q %q %s\n", item.Key, item.Image, facts)
		all.items = append(all.items, item)
	}
	all.hash = fmt.Sprintf("%x", whole.Sum(nil))
	return all
}

// localItem is the item of a picture, and what tells the file from an older one.
func localItem(in input) (item manifest.Item, facts string, err error) {
	if in.err != nil {
		return item, "", in.err
	}
	// Links are resolved now: a source is read without following links out of it.
	path := absolute(in.path)
	info, err := os.Stat(path)
	if err != nil {
		return item, "", err
	}
	item = manifest.Item{Key: strings.TrimPrefix(filepath.ToSlash(path), "/"), Image: in.path}
	if err := store.CheckKey(item.Key); err != nil {
		return item, "", fmt.Errorf("%s: its name cannot be used in a job: %w", in.path, err)
	}
	return item, fmt.Sprint(info.Size(), info.ModTime().UTC()), nil
}

// seq gives the items.
func (l *localItems) seq() iter.Seq2[manifest.Item, error] {
	return func(yield func(manifest.Item, error) bool) {
		for _, item := range l.items {
			if !yield(item, nil) {
				return
			}
		}
	}
}
