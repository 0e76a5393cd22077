//go:build unix

package cli

import (
	"os/signal"
	"syscall"
)

// surviveFileLimit makes a file that may not grow any more (ulimit -f) an error of the write, not the end of the process.
func surviveFileLimit() { signal.Ignore(syscall.SIGXFSZ) }
