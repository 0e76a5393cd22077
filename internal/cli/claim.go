package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
)

// addForceFlag declares --force of a command that writes one file.
func addForceFlag(f *pflag.FlagSet, force *bool) {
	f.BoolVar(force, "force", false, "replace the file if it exists")
}

// checkNew checks, before the work, that a result can be written to a file and replaces none unless
// force is set. Devices and pipes are not replaced.
func checkNew(path string, force bool) error {
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case err != nil:
		return fmt.Errorf("output directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("output directory: %s is not a directory", dir)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || force:
		return nil
	case err != nil:
		return err
	case info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe) != 0:
		return nil
	}
	return fmt.Errorf("%s: %w; choose another file, or use --force to replace it", path, fs.ErrExist)
}
