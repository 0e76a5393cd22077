package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows on standard error how far a long command is: on a terminal in one line that is
// drawn again, elsewhere in a plain line now and then. The zero value shows nothing. It is safe for
// concurrent use.
type progress struct {
	mu    sync.Mutex
	to    io.Writer // nil if nothing is shown
	width int       // of the terminal, in columns; 0 for none
	what  string    // is being done
	note  string    // what else is known
	pace  pace
	shown time.Time // when a line was last written
	drawn bool      // whether the terminal has a line
	clock func() time.Time
}

// Units of pace.
const (
	unitPicture = "picture"
	unitStep    = "step"
	unitBytes   = ""
)

// drawEvery is the time between two lines on a terminal.
const drawEvery = 100 * time.Millisecond

// plainEvery is the time between two lines elsewhere. It is a variable for tests.
var plainEvery = time.Minute

// terminalWidth is the width of a terminal in columns; 0 for other files. It is a variable for
// tests.
var terminalWidth = func(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 1 {
		return 80
	}
	return width
}

// newProgress shows how many of total pictures are done. It shows nothing for a single picture.
func (a *app) newProgress(total int, what string) *progress {
	return a.newCount(total, what, unitPicture)
}

// newSteps shows how many of the total steps of a training are done.
func (a *app) newSteps(total int, what string) *progress { return a.newCount(total, what, unitStep) }

func (a *app) newCount(total int, what, unit string) *progress {
	if total < 2 {
		return &progress{}
	}
	return a.begin(what, pace{unit: unit, total: int64(total)})
}

// begin starts to show what is done from now on.
func (a *app) begin(what string, measured pace) *progress {
	p := &progress{to: a.stderr, width: terminalWidth(a.stderr), what: what, pace: measured, clock: time.Now}
	p.shown = p.clock()
	return p
}

// describe adds to the text what else is known.
func (p *progress) describe(note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note = note
}

// expect replaces the estimate of the time left by the command's own; 0 if it has none yet.
func (p *progress) expect(left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace.left, p.pace.given = left, true
}

// set says how much is done.
func (p *progress) set(done int) { p.set64(int64(done)) }

func (p *progress) set64(done int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to == nil {
		return
	}
	p.pace.add(done, p.clock())
	since := p.pace.now.Sub(p.shown)
	switch {
	case p.width > 0 && (!p.drawn || since >= drawEvery || done == p.pace.total):
		p.draw()
	case p.width == 0 && since >= plainEvery:
		_, _ = fmt.Fprintf(p.to, "declip: %s\n", p.text()) // a failed line does not end the work
	default:
		return
	}
	p.shown = p.pace.now
}

// text is what a line says.
func (p *progress) text() string {
	text := p.what
	if p.note != "" {
		text += ", " + p.note
	}
	return text + ": " + p.pace.text()
}

// The longest and the shortest bar, in columns.
const longestBar, shortestBar = 30, 8

// draw writes the line on the terminal: the text, cut to the width, and a bar if there is room.
func (p *progress) draw() {
	text := []rune(terminalText(p.to, p.text()))
	room := p.width - 1 // the cursor stays on the line
	text = text[:min(len(text), room)]
	line := string(text)
	if bar := min(room-len(text)-1, longestBar); bar >= shortestBar && p.pace.total > 0 {
		cells := int64(bar - 2)
		full := int(cells * min(p.pace.done, p.pace.total) / p.pace.total)
		line += " [" + strings.Repeat("#", full) + strings.Repeat("-", int(cells)-full) + "]"
	}
	_, _ = io.WriteString(p.to, "\r"+line+eraseRest) // a failed line does not end the work
	p.drawn = true
}

// eraseRest removes what is right of the cursor.
const eraseRest = "\x1b[K"

// erase removes the line from the terminal.
func (p *progress) erase() {
	if p.drawn {
		_, _ = io.WriteString(p.to, "\r"+eraseRest)
		p.drawn = false
	}
}

// printf prints a line without leaving a broken one on the terminal, and without control characters
// of file names.
func (p *progress) printf(w io.Writer, format string, args ...any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.drawn
	p.erase()
	_, err := io.WriteString(w, terminalText(w, fmt.Sprintf(format, args...)))
	if again {
		p.draw()
	}
	return err
}

// finish removes the line. Nothing is shown afterwards.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.to = nil
}

// transfer shows how many bytes of a file are read.
type transfer struct {
	app      *app
	name     string
	progress *progress
}

func (a *app) newTransfer(name string) *transfer {
	return &transfer{app: a, name: name, progress: &progress{}}
}

// set says that done of total bytes are read; total is -1 if unknown. Fewer bytes than before mean
// that reading began again.
func (t *transfer) set(done, total int64) {
	if p := &t.progress.pace; t.progress.to == nil || done < p.done || total != p.total {
		t.progress.finish()
		t.progress = t.app.begin(t.name, pace{unit: unitBytes, total: total})
	}
	t.progress.set64(done)
}

func (t *transfer) printf(w io.Writer, format string, args ...any) error {
	return t.progress.printf(w, format, args...)
}

func (t *transfer) finish() { t.progress.finish() }
