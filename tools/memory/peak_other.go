//go:build !unix

package memory

import "os"

// Peak is unknown on this system.
func Peak(*os.ProcessState) int64 { return 0 }

// Own is unknown on this system.
func Own() int64 { return 0 }
