package cli

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// transfer is a bar over the bytes of a file, with the rate and the time left, shown only on a
// terminal.
type transfer struct {
	progress
	app  *app
	name string
	// The bar counts from from: bytes of an earlier run would distort the rate.
	from, done, total int64
}

func (a *app) newTransfer(name string) *transfer { return &transfer{app: a, name: name} }

// set moves the bar to done of total bytes; total is -1 if unknown.
func (t *transfer) set(done, total int64) {
	f, ok := t.app.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return
	}
	if t.bar == nil || done < t.done || total != t.total {
		t.finish()
		t.start(done, total)
	}
	t.done = done
	_ = t.bar.Set64(done - t.from) // a bar that cannot be drawn does not stop the work
}

func (t *transfer) start(done, total int64) {
	t.from, t.total = done, total
	what, left := t.name, total
	if done > 0 && total >= 0 {
		what, left = t.name+", the rest", max(total-done, 1)
	}
	t.bar = progressbar.NewOptions64(left,
		progressbar.OptionSetWriter(t.app.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
	)
}

// finish removes the bar.
func (t *transfer) finish() {
	t.progress.finish()
	t.bar = nil
}
