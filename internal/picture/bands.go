package picture

import (
	"runtime"
	"sync"
)

// inBands splits rows [0, height) into as many bands as processors may be used,
// at least minRows each, and runs work on all of them at once. work must not
// panic and must only write what belongs to its rows.
func inBands(height, minRows int, work func(y0, y1 int)) {
	n := min(runtime.GOMAXPROCS(0), height/max(minRows, 1))
	if n <= 1 {
		work(0, height)
		return
	}
	var wait sync.WaitGroup
	for i := range n {
		y0, y1 := i*height/n, (i+1)*height/n
		wait.Go(func() { work(y0, y1) })
	}
	wait.Wait()
}
