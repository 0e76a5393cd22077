package picture

import (
	"context"
	"runtime"
	"sync"

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

// watch looks at a context for work in bands: before every row, at a cost that does not show. Once
// a look has found the context ended, there are no more.
type watch struct {
	ctx context.Context
	mu  sync.Mutex
	is  bool
}

func watching(ctx context.Context) *watch { return &watch{ctx: ctx} }

// ended reports whether the context has ended; the work then leaves out its remaining rows.
func (w *watch) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.is = w.is || w.ctx.Err() != nil
	return w.is
}

// unlessEnded is the result of such work; the cause of the context's end if rows may be missing.
func unlessEnded[T any](w *watch, whole T) (T, error) {
	if w.ended() {
		var none T
		return none, context.Cause(w.ctx)
	}
	return whole, nil
}
