//go:build unix

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// peakMemory is the peak resident memory of an ended process in bytes, 0 if unknown.
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

// ownPeak is the peak resident memory of this process in bytes, 0 if unknown. On Linux, what
// getrusage says of a process includes the peak of the one that started it.
func ownPeak() float64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		var kilobytes float64
		if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
				return 1024 * kilobytes
			}
		}
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return largest(&usage)
}
