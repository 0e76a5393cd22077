//go:build !amd64 || !(linux || darwin)

package operators

import (
	"errors"
	"unsafe"
)

// Kinds returns nil: there are no operators for this system.
func Kinds() []Kind { return nil }

// Register fails: there are no operators for this system.
func Register(base, options unsafe.Pointer, kind Kind, threads int) error {
	return errors.New("operators: no operators for this system")
}

// Free does nothing.
func Free() {}
