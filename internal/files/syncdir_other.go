//go:build !linux && !darwin

package files

import "os"

func syncDir(string) error { return nil }

func syncOpened(func() (*os.File, error)) error { return nil }
