//go:build !linux

package engine

// returnMemory does nothing: only glibc keeps freed memory.
func returnMemory() {}
