//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peakMemory is the peak resident memory of an ended process in bytes, 0 if unknown. On Linux it
// includes the peak of the process that started it, this one, so statusBytes comes first there.
func peakMemory(s *os.ProcessState) float64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return largest(usage)
}

// largest is the peak resident memory in bytes.
func largest(usage *syscall.Rusage) float64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return float64(usage.Maxrss)
	}
	return 1024 * float64(usage.Maxrss)
}

// ownPeak is the peak resident memory of this process in bytes, 0 if unknown.
func ownPeak() float64 {
	if peak := statusBytes("self", "VmHWM"); peak > 0 {
		return peak
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return largest(&usage)
}
