package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// MaxMemory is the most memory, in bytes, that one run of a decoder can use.
const MaxMemory = 1 << 30

const pageSize = 1 << 16

// ErrMemory is in errors of decoders that need more than MaxMemory.
var ErrMemory = fmt.Errorf("the decoder needs more than %d MiB of memory", MaxMemory>>20)

// Module is a compiled decoder. It may be used from several goroutines.
type Module struct {
	once     sync.Once
	packed   []byte
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	err      error
}

// New returns a module of WebAssembly code in gzip form. The code is compiled when it is used
// first.
func New(packed []byte) *Module { return &Module{packed: packed} }

// compile makes machine code. It is not bound to the context of the first caller, because all
// others need it as well.
func (m *Module) compile() {
	ctx := context.Background()
	r, err := gzip.NewReader(bytes.NewReader(m.packed))
	if err != nil {
		m.err = err
		return
	}
	code, err := io.ReadAll(r)
	if err != nil {
		m.err = err
		return
	}
	if code, m.err = interruptible(code); m.err != nil {
		return
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(MaxMemory/pageSize))
	system := m.runtime.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(system)
	system.NewFunctionBuilder().WithFunc(closeFile).Export("fd_close")
	if _, m.err = system.Instantiate(ctx); m.err != nil {
		return
	}
	m.compiled, m.err = m.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0)), code)
}

// pauseFile is the file number with which interruptible modules call fd_close.
const pauseFile = -7

// closeFile replaces the system's function. There are no files to close: it ends the run if its
// context has ended.
func closeFile(ctx context.Context, file int32) int32 {
	if err := ctx.Err(); err != nil && file == pauseFile {
		panic(err)
	}
	const badFile = 8 // errno of WASI
	return badFile
}

// Run is one use of a module, with memory of its own.
type Run struct {
	ctx      context.Context //nolint:containedctx // lives as long as the call that made it
	instance api.Module
}

// Start begins a run, which must be closed. It ends with an error of ctx when ctx ends.
func (m *Module) Start(ctx context.Context) (*Run, error) {
	m.once.Do(m.compile)
	if m.err != nil {
		return nil, fmt.Errorf("starting the decoder: %w", m.err)
	}
	// Standard output and the like are discarded, and there are no files, no clock and no
	// arguments.
	instance, err := m.runtime.InstantiateModule(ctx, m.compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, cause(ctx, err)
	}
	return &Run{ctx: ctx, instance: instance}, nil
}

// cause prefers the context's error, which the decoder's is only a consequence of.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("the decoder failed: %w", withoutStack{err})
}

// withoutStack is an error of wazero's without the stack of WebAssembly functions in its text.
type withoutStack struct{ error }

func (e withoutStack) Error() string {
	text := e.error.Error()
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	return text
}
func (e withoutStack) Unwrap() error { return e.error }

// Close gives the memory back. Slices from Bytes must not be used afterwards.
func (r *Run) Close() { _ = r.instance.Close(context.WithoutCancel(r.ctx)) }

// Call calls a function with one result.
func (r *Run) Call(name string, args ...uint64) (uint32, error) {
	f := r.instance.ExportedFunction(name)
	if f == nil {
		return 0, fmt.Errorf("the decoder has no function %q", name)
	}
	results, err := f.Call(r.ctx, args...)
	if err != nil {
		return 0, cause(r.ctx, err)
	}
	if len(results) != 1 {
		return 0, fmt.Errorf("the decoder's function %q has %d results, expected 1", name, len(results))
	}
	return uint32(results[0]), nil
}

// Allocate takes n bytes of the decoder's memory.
func (r *Run) Allocate(n int) (uint64, error) {
	if n < 0 || n > math.MaxInt32 {
		return 0, ErrMemory
	}
	at, err := r.Call("malloc", uint64(n))
	if err != nil {
		return 0, err
	}
	if at == 0 {
		return 0, ErrMemory
	}
	return uint64(at), nil
}

// Put copies data into newly allocated memory.
func (r *Run) Put(data []byte) (uint64, error) {
	at, err := r.Allocate(len(data))
	if err != nil {
		return 0, err
	}
	if !r.instance.Memory().Write(uint32(at), data) {
		return 0, errOutside
	}
	return at, nil
}

var errOutside = errors.New("the decoder's memory ends too early")

// Bytes is a part of the decoder's memory. It is valid up to the next call.
func (r *Run) Bytes(at uint64, n int) ([]byte, error) {
	b, ok := r.instance.Memory().Read(uint32(at), uint32(n))
	if !ok || at > math.MaxUint32 || n < 0 || n > math.MaxInt32 {
		return nil, errOutside
	}
	return b, nil
}

// Numbers reads n numbers of 32 bits.
func (r *Run) Numbers(at uint64, n int) ([]uint32, error) {
	numbers := make([]uint32, n)
	for i := range numbers {
		v, ok := r.instance.Memory().ReadUint32Le(uint32(at) + uint32(4*i))
		if !ok {
			return nil, errOutside
		}
		numbers[i] = v
	}
	return numbers, nil
}
