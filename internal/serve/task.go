package serve

import (
	"context"
	"sync"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// task is one picture on its way through a model.
type task struct {
	ctx    context.Context // ends when the client leaves or its time is up
	data   []byte          // the picture's file
	pixels int64           // by its header

	mu   sync.Mutex
	left bool // nobody waits for the outcome any more
	out  *outcome
	done chan struct{} // closed when out is set
}

// outcome is what became of a task.
type outcome struct {
	decoded *picture.Picture
	result  *localize.Result
	err     error
	release func() // gives back the memory that the pixels take
}

func newTask(ctx context.Context, data []byte, pixels int64) *task {
	return &task{ctx: ctx, data: data, pixels: pixels, done: make(chan struct{})}
}

// deliver hands over the outcome; nobody waiting, its memory is given back.
func (t *task) deliver(o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = nil
	if t.left {
		o.release()
		return
	}
	t.out = &o
	close(t.done)
}

// leave ends the waiting, and the use of the outcome.
func (t *task) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left {
		return
	}
	t.left = true
	if t.out != nil {
		t.out.release()
		t.out = nil
	}
}
