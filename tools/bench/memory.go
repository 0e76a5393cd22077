package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// memory is what a process took, in bytes; 0 for what is unknown.
type memory struct {
	peak    float64 // largest resident memory
	private float64 // largest memory that is not backed by files
}

// watchMemory reads the memory of a running process every few milliseconds until stop is called.
// Its last milliseconds may be missing.
func watchMemory(pid int) (stop func() memory) {
	ended, result := make(chan struct{}), make(chan memory)
	go func() {
		var m memory
		for {
			of := fmt.Sprint(pid)
			m.peak, m.private = max(m.peak, statusBytes(of, "VmHWM")), max(m.private, statusBytes(of, "RssAnon"))
			select {
			case <-ended:
				result <- m
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() memory {
		close(ended)
		return <-result
	}
}

// statusBytes is a size that Linux states for a process in /proc, in bytes; 0 if it states none.
func statusBytes(process, key string) float64 {
	text, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\n"+key+":")
	var kilobytes float64
	if _, err := fmt.Sscanf(rest, "%g kB", &kilobytes); err != nil {
		return 0
	}
	return 1024 * kilobytes
}
