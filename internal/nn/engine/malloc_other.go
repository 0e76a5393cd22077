//go:build !linux

package engine

// returnMemory is for the C library of Linux.
func returnMemory() {}
