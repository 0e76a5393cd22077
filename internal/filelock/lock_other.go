//go:build !linux && !darwin && !windows

package filelock

import "os"

// Exclusive does nothing: this system's locks are not known here.
func Exclusive(*os.File) error { return ErrUnknown }

// Shared does nothing.
func Shared(*os.File) error { return ErrUnknown }

// Unlock does nothing.
func Unlock(*os.File) {}
