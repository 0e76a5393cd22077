package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a bar on standard error, shown only on a terminal and for more than one item.
// Otherwise it does nothing.
type progress struct{ bar *progressbar.ProgressBar }

func (a *app) newProgress(total int, what string) *progress {
	return a.newBar(total, what, progressbar.OptionShowIts(), progressbar.OptionSetItsString("pictures"))
}

// newSteps is a bar over the steps of a training. It shows no rate and predicts no time: steps
// differ, validation interrupts them, and the steps before a resumed one would count as done at
// once. The training itself says how much time is left.
func (a *app) newSteps(total int) *progress {
	return a.newBar(total, "training", progressbar.OptionSetPredictTime(false))
}

func (a *app) newBar(total int, what string, options ...progressbar.Option) *progress {
	if f, ok := a.stderr.(*os.File); !ok || total < 2 || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	options = append([]progressbar.Option{
		progressbar.OptionSetWriter(a.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
	}, options...)
	return &progress{progressbar.NewOptions(total, options...)}
}

// describe changes the text next to the bar.
func (p *progress) describe(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

// set moves the bar to done items.
func (p *progress) set(done int) {
	if p.bar != nil {
		_ = p.bar.Set(done) // a bar that cannot be drawn does not stop the work
	}
}

// printf prints a line without leaving a broken bar on the terminal, and without control characters
// of file names.
func (p *progress) printf(w io.Writer, format string, args ...any) error {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	_, err := io.WriteString(w, terminalText(w, fmt.Sprintf(format, args...)))
	if p.bar != nil {
		_ = p.bar.RenderBlank()
	}
	return err
}

// finish removes the bar.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
