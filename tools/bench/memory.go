package main

import (
	"fmt"
	"time"

	"github.com/declip/declip/tools/memory"
)

// used is what a process took, in bytes; 0 for what is unknown.
type used struct {
	peak    float64 // largest resident memory
	private float64 // largest memory that is not backed by files
}

// watchMemory reads the memory of a running process every few milliseconds until stop is called.
// Its last milliseconds may be missing.
func watchMemory(pid int) (stop func() used) {
	ended, result := make(chan struct{}), make(chan used)
	go func() {
		var m used
		of := fmt.Sprint(pid)
		for {
			m.peak = max(m.peak, float64(memory.Status(of, "VmHWM")))
			m.private = max(m.private, float64(memory.Status(of, "RssAnon")))
			select {
			case <-ended:
				result <- m
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() used {
		close(ended)
		return <-result
	}
}
