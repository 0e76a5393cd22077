//go:build !unix

package cli

// surviveFileLimit does nothing: this system has no such limit.
func surviveFileLimit() {}

// ignoreBrokenPipes does nothing: there is no such signal.
func ignoreBrokenPipes() {}
