package study

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/files"
)

// Folders of what is kept.
const (
	cellsDir    = "cells"
	picturesDir = "pictures"
)

// occupy makes the study's folder, keeps other processes from working in it until release is called, and removes what a
// killed one left half-written.
func (p *Plan) occupy() (release func() error, err error) {
	out := p.File.Out
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(out, ".lock")
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	switch err := files.LockExclusive(lock); {
	case errors.Is(err, files.ErrNoLocks): // then nobody knows whose files those are
		return lock.Close, nil
	case errors.Is(err, files.ErrLocked):
		lock.Close()
		return nil, fmt.Errorf("%s: another study is at work in this folder", out)
	case err != nil:
		lock.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := sweep(out); err != nil {
		lock.Close()
		return nil, err
	}
	return lock.Close, nil
}

// sweep removes temporary files, whose names are those of package atomicfile.
func sweep(out string) error {
	for _, dir := range []string{cellsDir, picturesDir} {
		entries, err := os.ReadDir(filepath.Join(out, dir))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if ok, _ := filepath.Match(".*.tmp", e.Name()); !ok || e.IsDir() {
				continue
			}
			if err := os.Remove(filepath.Join(out, dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
