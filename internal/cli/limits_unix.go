//go:build unix

package cli

import (
	"os/signal"
	"syscall"
)

// surviveFileLimit makes writing beyond the file size limit (ulimit -f) an error of the write; by
// default the signal ends the process.
func surviveFileLimit() { signal.Ignore(syscall.SIGXFSZ) }

// ignoreBrokenPipes makes writing to a standard output or error without a reader an error
// of the write; by default the signal ends the process.
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }
