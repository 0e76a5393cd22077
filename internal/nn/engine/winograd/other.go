//go:build !amd64 || !(linux || darwin)

package winograd

import (
	"errors"
	"unsafe"
)

// Kinds lists those that this processor is of: none.
func Kinds() []Kind { return nil }

// Register fails: there are no operations for this system.
func Register(base, options unsafe.Pointer, kind Kind, threads int) error {
	return errors.New("winograd: no operations for this system")
}

// Free does nothing.
func Free() {}
