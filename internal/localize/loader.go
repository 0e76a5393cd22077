package localize

import (
	"math"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/parallel"
)

// LoadOptions are the choices for running models whose weights lie in files.
type LoadOptions struct {
	// LowMemory leaves weights mapped from their files, shared between processes, instead of packing them for the
	// processor. Some per cent slower.
	LowMemory bool
}

// Putting weights into the processor's order keeps one core busy and needs room for copies. A backbone is loaded in so
// many links of a chain, two programs at a time: half the time on two cores, and a part of the room.
const (
	links = 4
	lanes = 2
)

// form is the one that runs fastest with the options, and the number of programs that it is loaded in.
func (o LoadOptions) form(e *engine.Engine) (form network.Form, parts int) {
	form.Winograd = e.Winograd()
	if o.LowMemory {
		return form, 1
	}
	form.Blocked = e.Blocks()
	return form, links
}

// together is how many pictures are run at once.
func together(e *engine.Engine) int {
	if info := e.Info(); info.Device == "cpu" {
		return max(2, info.Threads)
	}
	return math.MaxInt
}

// loader loads sessions side by side.
type loader struct {
	engine *engine.Engine
	group  parallel.Group
}

func newLoader(e *engine.Engine) *loader {
	l := &loader{engine: e}
	l.group.SetLimit(lanes)
	return l
}

// load loads a program into to, behind those before it; describe says what it is in an error.
func (l *loader) load(p network.Program, o LoadOptions, to **engine.Session, describe func(error) error) {
	l.group.Go(func() error {
		parallel.Point("load")
		s, err := l.engine.Load(p.ONNX, engine.SessionOptions{ExternalFolder: p.Folder, LowMemory: o.LowMemory})
		if err != nil {
			return describe(err)
		}
		*to = s
		return nil
	})
}

func (l *loader) wait() error { return l.group.Wait() }
