package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/declip/declip/internal/nn/engine/operators"
)

// SessionOptions are the choices for one session. The zero value is the fastest for repeated runs
// with one size.
type SessionOptions struct {
	// Threads is the number of threads; 0: the engine's.
	Threads int
	// ExternalFolder is the directory of the model's external initializers (weights files named by
	// the model). Locations outside of it, also through symbolic links, are refused. Unless LowMemory
	// is set, the files are not used after Load, so later changes of them have no effect. Files that
	// change during Load are ErrWeightsChanged.
	ExternalFolder string
	// LowMemory maps weights from their file, shared between processes, instead of reading and
	// packing them for the processor. Loading is faster, runs are a few percent slower. It does not
	// suit convolutions with small weights and large maps, which take 50% longer and no less memory.
	//
	// Every run first checks that the files have not changed, and returns ErrWeightsChanged if they
	// have. A file that is truncated in the middle of a run still kills the process by SIGBUS, which
	// cannot be caught. Replacing a file by renaming is safe.
	LowMemory bool
	// Private refuses mapped weights files that other users can write to or replace. Reading a mapped
	// file that is cut off at that moment ends the process, which nothing in the process can prevent.
	Private bool
	// MapIfPrivate is LowMemory for files that no other user can write to or replace.
	MapIfPrivate bool
	// NoArena returns memory to the system after each operation instead of keeping it for the next
	// one and the next run. The peak within a run is about the same; between runs the process keeps
	// only the weights. Large activations (tens of MB) take up to twice as long, because the system
	// provides fresh pages each time. It suits sessions that are often idle, not tiles in a row.
	NoArena bool
	// Spin lets idle threads wait in a loop instead of sleeping. Models with operations of about
	// ten microseconds run about a third faster. From a few milliseconds per run there is no gain,
	// and the loops take cores from the rest of the process.
	Spin bool
}

// copying are the optimizers of ONNX Runtime that replace mapped weights by copies in memory:
// float16 by float32, a convolution's weights with the following norm folded in, and a
// convolution's weights in blocks of channels.
const copying = "ConstantFolding;FuseFp16InitializerToFp32NodeTransformer;ConvBNFusion;NchwcTransformer"

// Keys of ONNX Runtime's session configuration, from onnxruntime_session_options_config_keys.h.
const (
	configSpinning       = "session.intra_op.allow_spinning"
	configNoPrepacking   = "session.disable_prepacking"
	configNoOptimizers   = "optimization.disable_specified_optimizers"
	configExternalFolder = "session.model_external_initializers_file_folder_path"
)

// Session is a model ready to run. It is safe for concurrent use; Close frees it.
type Session struct {
	inputs, outputs []Port

	mu      sync.RWMutex // held for reading during a run
	session *ort.DynamicAdvancedSession
	mapped  *weightsFiles // weights that the session reads from their files; nil: none
}

func names(ports []Port) []string {
	var list []string
	for _, p := range ports {
		list = append(list, p.Name)
	}
	return list
}

func (e *Engine) sessionOptions(o SessionOptions) (options *ort.SessionOptions, err error) {
	if o.Threads < 0 || o.Threads > MaxThreads() {
		return nil, fmt.Errorf("threads %d: expected 0 to %d", o.Threads, MaxThreads())
	}
	threads := o.Threads
	if threads == 0 {
		threads = e.threads
	}
	config := map[string]string{configSpinning: "0"}
	if o.Spin {
		config[configSpinning] = "1"
	}
	if o.LowMemory {
		config[configNoPrepacking] = "1"
		config[configNoOptimizers] = copying
	}
	if o.ExternalFolder != "" {
		config[configExternalFolder] = o.ExternalFolder
	}

	options, err = ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	errs := []error{
		options.SetIntraOpNumThreads(threads),
		options.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		options.SetLogSeverityLevel(e.log.severity()),
		options.SetCpuMemArena(!o.NoArena),
		// Planning memory as one block raises the peak by more than half, because the block exists
		// in addition to the arena that the first run filled, and gains no measurable time.
		options.SetMemPattern(false),
	}
	for key, value := range config {
		errs = append(errs, options.AddSessionConfigEntry(key, value))
	}
	errs = append(errs, e.device.appendProvider(options), e.addOperations(options, threads))
	if err := errors.Join(errs...); err != nil {
		options.Destroy()
		return nil, err
	}
	return options, nil
}

// Inputs returns the inputs that Run requires.
func (s *Session) Inputs() []Port { return slices.Clone(s.inputs) }

// Outputs returns the outputs of Run.
func (s *Session) Outputs() []Port { return slices.Clone(s.outputs) }

// Close frees the session after the current runs have ended. Closing twice is harmless.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	if s.mapped != nil {
		err = errors.Join(err, s.mapped.Close())
	}
	operators.Free() // other sessions allocate it again when they need it
	return err
}

// Run computes all outputs from the inputs, which must be exactly the model's inputs.
//
// An output for which the caller supplies a tensor is written to that tensor's memory, without a
// copy; others (missing or nil in outputs) are allocated. The result contains a tensor for each
// output of the model, including the caller's own; it belongs to the caller, and the map outputs is
// not changed. An output must not share memory with an input.
//
// When ctx ends, the run stops at the next operation and ctx's cause is returned; the contents of
// the outputs are then undefined. A nil ctx never ends.
func (s *Session) Run(ctx context.Context, inputs, outputs map[string]*Tensor) (map[string]*Tensor, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		return nil, fmt.Errorf("run session: %w", ErrClosed)
	}
	if s.mapped != nil {
		if err := s.mapped.check(); err != nil {
			return nil, fmt.Errorf("run session: %w", err)
		}
	}
	in, sizes, err := s.orderInputs(inputs)
	if err != nil {
		return nil, err
	}
	out, err := s.orderOutputs(outputs, sizes)
	if err != nil {
		return nil, err
	}

	var l loan
	defer l.end()
	inValues, err := l.values(in)
	if err != nil {
		return nil, err
	}
	outValues, err := l.values(out)
	if err != nil {
		return nil, err
	}
	if err := s.call(ctx, inValues, outValues); err != nil {
		return nil, err
	}

	result := make(map[string]*Tensor, len(out))
	for i, p := range s.outputs {
		if out[i] != nil {
			out[i].data.fetch(outValues[i])
		} else {
			l.made = append(l.made, outValues[i])
			if out[i], err = fromValue(outValues[i]); err != nil {
				return nil, fmt.Errorf("output %q: %w", p.Name, err)
			}
		}
		result[p.Name] = out[i]
	}
	return result, nil
}

// call runs the model and stops it when ctx ends.
func (s *Session) call(ctx context.Context, in, out []ort.Value) error {
	if ctx == nil || ctx.Done() == nil {
		if err := s.session.Run(in, out); err != nil {
			return runError(err)
		}
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return fmt.Errorf("run options: %w", err)
	}
	defer options.Destroy()
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = options.Terminate() // cannot fail on options that exist
	})
	err = s.session.RunWithOptions(in, out, options)
	if !stop() {
		<-ended // the options must outlive the call above
		if err != nil {
			return context.Cause(ctx)
		}
	}
	if err != nil {
		return runError(err)
	}
	return nil
}

// orderInputs checks the inputs, puts them into the model's order, and returns the sizes of named
// open dimensions.
func (s *Session) orderInputs(given map[string]*Tensor) ([]*Tensor, map[string]int, error) {
	for name := range given {
		if !slices.ContainsFunc(s.inputs, func(p Port) bool { return p.Name == name }) {
			return nil, nil, fmt.Errorf("model has no input %q, it has: %s", name, strings.Join(names(s.inputs), ", "))
		}
	}
	ordered := make([]*Tensor, len(s.inputs))
	sizes := map[string]int{}
	for i, p := range s.inputs {
		t := given[p.Name]
		if t == nil {
			return nil, nil, fmt.Errorf("input %q is missing, expected %v", p.Name, p)
		}
		if err := check("input", p, t); err != nil {
			return nil, nil, err
		}
		ordered[i] = t
		for d, symbol := range p.symbols {
			if symbol != "" {
				sizes[symbol] = t.shape[d]
			}
		}
	}
	return ordered, sizes, nil
}

// orderOutputs does the same for outputs, and allocates those whose size is known before the run.
func (s *Session) orderOutputs(given map[string]*Tensor, sizes map[string]int) ([]*Tensor, error) {
	for name := range given {
		if !slices.ContainsFunc(s.outputs, func(p Port) bool { return p.Name == name }) {
			return nil, fmt.Errorf("model has no output %q, it has: %s", name, strings.Join(names(s.outputs), ", "))
		}
	}
	ordered := make([]*Tensor, len(s.outputs))
	for i, p := range s.outputs {
		p = p.resolve(sizes)
		if t := given[p.Name]; t != nil {
			if err := check("output", p, t); err != nil {
				return nil, err
			}
			ordered[i] = t
			continue
		}
		// This avoids the binding's copy of memory that ONNX Runtime allocates.
		if p.Shape != nil && !slices.Contains(p.Shape, -1) {
			t, err := NewZeros(p.DType, p.Shape)
			if err != nil {
				return nil, fmt.Errorf("output %q: %w", p.Name, err)
			}
			ordered[i] = t
		}
	}
	return ordered, nil
}

// resolve fills in open dimensions by their names.
func (p Port) resolve(sizes map[string]int) Port {
	p.Shape = slices.Clone(p.Shape)
	for i, d := range p.Shape {
		if size, known := sizes[p.symbols[i]]; known && d < 0 {
			p.Shape[i] = size
		}
	}
	return p
}

func check(role string, p Port, t *Tensor) error {
	if t.data == nil {
		return fmt.Errorf("%s %q: tensor %w", role, p.Name, ErrClosed)
	}
	if !p.accepts(t) {
		return fmt.Errorf("%s %q: got %v %v, expected %v", role, p.Name, t.DType(), t.Shape(), p)
	}
	return nil
}

// loan lends the memory of tensors to ONNX Runtime for one run. ONNX Runtime keeps the addresses in
// its values, where the garbage collector does not see them, so the memory is pinned until the
// values are destroyed.
type loan struct {
	pinner runtime.Pinner
	made   []ort.Value
}

// values makes an ONNX Runtime value for each tensor, nil for nil.
func (l *loan) values(tensors []*Tensor) ([]ort.Value, error) {
	list := make([]ort.Value, len(tensors))
	for i, t := range tensors {
		if t == nil {
			continue
		}
		if p := t.data.pointer(); p != nil {
			l.pinner.Pin(p)
		}
		v, err := t.data.value(t.shape)
		if err != nil {
			return nil, fmt.Errorf("lend tensor %v %v: %w", t.DType(), t.Shape(), err)
		}
		l.made = append(l.made, v)
		list[i] = v
	}
	return list, nil
}

func (l *loan) end() {
	for _, v := range l.made {
		_ = v.Destroy() // always nil
	}
	l.pinner.Unpin()
}
