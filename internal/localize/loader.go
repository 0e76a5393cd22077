package localize

import (
	"math"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
)

// LoadOptions say how models with weights in files are loaded.
type LoadOptions struct {
	// LowMemory leaves weights mapped from their files, shared between processes, instead of packing
	// them for the processor. Runs are a few percent slower.
	LowMemory bool
	// Thorough is Options.Thorough.
	Thorough bool
}

// Packing weights for the processor keeps one core busy and needs memory for copies. A backbone is
// loaded as a chain of programs, two at a time: half the time on two cores, and a part of the
// memory.
const (
	links = 4
	lanes = 2
)

// form is the fastest form of a network with the options, and the number of programs that a
// backbone is loaded as.
func (o LoadOptions) form(e *engine.Engine) (form network.Form, parts int) {
	form.Winograd = e.Winograd()
	if o.LowMemory {
		return form, 1
	}
	form.Blocked = e.Blocks()
	return form, links
}

// together is the number of pictures that are run at once.
func together(e *engine.Engine) int {
	if info := e.Info(); info.Device == "cpu" {
		return max(2, info.Threads)
	}
	return math.MaxInt
}

// loader loads sessions concurrently.
type loader struct {
	engine *engine.Engine
	group  parallel.Group
}

func newLoader(e *engine.Engine) *loader {
	l := &loader{engine: e}
	l.group.SetLimit(lanes)
	return l
}

// load starts loading a program into to, after the earlier ones; describe wraps an error with the
// program's name.
func (l *loader) load(p network.Program, o LoadOptions, to **engine.Session, describe func(error) error) {
	l.group.Go(func() error {
		parallel.Point("load")
		s, err := l.engine.Load(p.ONNX, engine.SessionOptions{ExternalFolder: p.Folder, LowMemory: o.LowMemory, Private: true})
		if err != nil {
			return describe(err)
		}
		*to = s
		return nil
	})
}

func (l *loader) wait() error { return l.group.Wait() }
