package picture

import (
	"runtime"

	"github.com/declip/declip/internal/parallel"
)

// inBands splits the rows [0, height) into one band for each processor that the process may use, of
// at least minRows rows, and runs work on all bands at once. work must write only what belongs to
// its rows. A panic of work becomes a panic of the caller.
func inBands(height, minRows int, work func(y0, y1 int)) {
	n := min(runtime.GOMAXPROCS(0), height/max(minRows, 1))
	if n <= 1 {
		work(0, height)
		return
	}
	parallel.Each(n, n, func(i int) { work(i*height/n, (i+1)*height/n) })
}
