package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/files"
)

// lockOutput prevents a second training in the output directory, and removes incomplete files of a
// killed one.
func (t *trainer) lockOutput() (err error) {
	path := filepath.Join(t.config.Out, ".lock")
	if t.lock, err = files.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	switch err := files.LockExclusive(t.lock); {
	case errors.Is(err, files.ErrNoLocks):
		return nil
	case errors.Is(err, files.ErrLocked):
		return fmt.Errorf("%w: %s, and it is still running", ErrOccupied, t.config.Out)
	case err != nil:
		return fmt.Errorf("output: %s: %w", path, err)
	}
	for _, name := range []string{bestFile, LastFile} {
		left, err := filepath.Glob(filepath.Join(t.config.Out, "."+name+".*.tmp"))
		if err != nil {
			return err
		}
		for _, file := range left {
			if err := files.Remove(file); err != nil {
				return fmt.Errorf("output: %w", err)
			}
		}
	}
	return nil
}
