package study

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/files"
)

// Subdirectories of a study.
const (
	cellsDir    = "cells"
	picturesDir = "pictures"
)

// occupy makes the study's directory, locks out other processes until release is called, and
// removes the temporary files of a killed one.
func (p *Plan) occupy() (release func() error, err error) {
	out := p.File.Out
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(out, ".lock")
	lock, err := files.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	switch err := files.LockExclusive(lock); {
	case errors.Is(err, files.ErrNoLocks): // another process may own the temporary files
		return lock.Close, nil
	case errors.Is(err, files.ErrLocked):
		lock.Close()
		return nil, fmt.Errorf("%s: another process is running a study in this directory", out)
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

// sweep removes temporary files, which have the names that package files gives them.
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
			if err := files.Remove(filepath.Join(out, dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
