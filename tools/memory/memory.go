package memory

import (
	"fmt"
	"os"
	"strings"
)

// Status is a size that Linux states for a running process in /proc, such as VmRSS, its resident
// memory, or VmHWM, the peak of that, in bytes. The process is a number, or "self". It is 0 if
// nothing is stated, as for a process that has ended, and on other systems.
func Status(process, key string) int64 {
	text, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\n"+key+":")
	var kilobytes int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kilobytes); err != nil {
		return 0
	}
	return kilobytes << 10
}
