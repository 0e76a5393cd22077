//go:build unix

package memory

import (
	"os"
	"runtime"
	"syscall"
)

// Peak is the largest resident memory of an ended process in bytes, 0 if unknown. On Linux it is at
// least the largest of the process that started it: a large one reads Status meanwhile instead.
func Peak(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return largest(usage)
}

// Own is the largest resident memory of this process in bytes, 0 if unknown.
func Own() int64 {
	if peak := Status("self", "VmHWM"); peak > 0 {
		return peak
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return largest(&usage)
}

// largest is the largest resident memory in bytes.
func largest(usage *syscall.Rusage) int64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(usage.Maxrss) //nolint:unconvert // of 32 bits on some systems
	}
	return int64(usage.Maxrss) << 10 //nolint:unconvert // of 32 bits on some systems
}
