package cli

import (
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// openFilesLimit is the number of files and connections that the process can have open.
func openFilesLimit() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt64
	}
	return int64(min(limit.Cur, math.MaxInt64))
}

// memoryLimit is the number of bytes that the process can use, and what limits it.
func memoryLimit() (bytes int64, source string) {
	bytes = math.MaxInt64
	lower := func(n uint64, what string) {
		if n < uint64(bytes) {
			bytes, source = int64(n), what
		}
	}
	for resource, what := range map[int]string{syscall.RLIMIT_DATA: "ulimit -d", syscall.RLIMIT_AS: "ulimit -v"} {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(resource, &limit); err == nil {
			lower(limit.Cur, what)
		}
	}
	// Of version 2 and 1. In a container they are the container's own.
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(path)
		if n, bad := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil {
			lower(n, path)
		}
	}
	return bytes, source
}
