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
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/declip/declip/internal/parallel"
)

// MaxMemory is the most memory, in bytes, that one run of a decoder can use.
const MaxMemory = 1 << 30

const pageSize = 1 << 16

// ErrMemory is in errors of decoders that need more than MaxMemory.
var ErrMemory = fmt.Errorf("the decoder needs more than %d MiB of memory", MaxMemory>>20)

// Module is a compiled decoder or encoder. It may be used from several goroutines.
type Module struct {
	kind     string // "decoder" or "encoder", for errors
	once     sync.Once
	packed   []byte
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	prepared atomic.Bool
	err      error
}

// New returns a decoder of WebAssembly code in gzip form. The code is compiled when it is used
// first.
func New(packed []byte) *Module { return &Module{kind: "decoder", packed: packed} }

// NewEncoder is New for an encoder: its errors name it as such.
func NewEncoder(packed []byte) *Module { return &Module{kind: "encoder", packed: packed} }

// compile makes machine code. It is not bound to the context of the first caller, because all
// others need it as well.
func (m *Module) compile() {
	defer parallel.Recover(&m.err)
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
	if dir, err := cacheDir(); err == nil {
		if cache, err := wazero.NewCompilationCacheWithDir(dir); err == nil && m.open(ctx, cache, code) == nil {
			return
		}
	}
	m.err = m.open(ctx, nil, code) // without a cache, or with a damaged one
}

// Prepare begins to compile the decoder in the background, if it is not compiled yet.
func (m *Module) Prepare() {
	if m.prepared.CompareAndSwap(false, true) {
		parallel.Go(func() error {
			m.once.Do(m.compile)
			return nil
		})
	}
}

func withWorkers(ctx context.Context) context.Context {
	return experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
}

// instantiateSystem offers the functions of WASI. closeFile takes the place of one of them.
func instantiateSystem(ctx context.Context, r wazero.Runtime) error {
	system := r.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(system)
	system.NewFunctionBuilder().WithFunc(closeFile).Export("fd_close")
	_, err := system.Instantiate(ctx)
	return err
}

// pauseFile is the file number with which interruptible modules call fd_close.
const pauseFile = -7

// ErrWork is in errors of decoders that do more work than they were allowed.
var ErrWork = errors.New("decoding takes more work than a picture of this size should")

// leftKey is the key of the number of pauses that a run has left, in its context.
type leftKey struct{}

// closeFile replaces the system's function. There are no files to close: it ends the run if its
// context has ended or its work is used up.
func closeFile(ctx context.Context, file int32) int32 {
	if file == pauseFile {
		if err := ctx.Err(); err != nil {
			panic(err)
		}
		if left, ok := ctx.Value(leftKey{}).(*int64); ok {
			if *left--; *left < 0 {
				panic(ErrWork)
			}
		}
	}
	const badFile = 8 // errno of WASI
	return badFile
}

// Run is one use of a module, with memory of its own.
type Run struct {
	module   *Module
	left     *int64
	ctx      context.Context //nolint:containedctx // lives as long as the call that made it
	instance api.Module
}

// Limits bound a run.
type Limits struct {
	// Work is the largest number of passes of loops. Unlike a time, it does not depend on how busy
	// the machine is: a core of 2020 makes 75 to 175 million passes in a second.
	Work int64
	// Memory is in bytes, at most MaxMemory.
	Memory uint64
}

// memory is the memory of a run; wazero asks it for more. The decoder's malloc fails at the limit.
type memory struct {
	b     []byte
	limit uint64
}

// Reallocate implements experimental.LinearMemory.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		return nil
	}
	if size > uint64(cap(m.b)) {
		b := make([]byte, size, min(max(size, 2*uint64(cap(m.b))), m.limit))
		copy(b, m.b)
		m.b = b
	}
	m.b = m.b[:size]
	return m.b
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() { m.b = nil }

// Start begins a run, which must be closed. It ends with an error of ctx when ctx ends, and with
// ErrWork when its work is used up.
func (m *Module) Start(ctx context.Context, limits Limits) (*Run, error) {
	m.once.Do(m.compile)
	if m.err != nil {
		return nil, fmt.Errorf("starting the %s: %w", m.kind, m.err)
	}
	// Standard output and the like are discarded, and there are no files, no clock and no
	// arguments.
	left := limits.Work / interruptEvery
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(func(_, _ uint64) experimental.LinearMemory {
		return &memory{limit: min(limits.Memory, MaxMemory)}
	}))
	ctx = context.WithValue(ctx, leftKey{}, &left)
	instance, err := m.runtime.InstantiateModule(ctx, m.compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, m.cause(ctx, err)
	}
	return &Run{module: m, left: &left, ctx: ctx, instance: instance}, nil
}

// cause prefers the context's error, which the decoder's is only a consequence of.
func (m *Module) cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("the %s failed: %w", m.kind, withoutStack{err})
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

// WorkLeft is how many passes of loops the run may still make.
func (r *Run) WorkLeft() int64 { return *r.left * interruptEvery }

// Call calls a function with one result.
func (r *Run) Call(name string, args ...uint64) (uint32, error) {
	f := r.instance.ExportedFunction(name)
	if f == nil {
		return 0, fmt.Errorf("the %s has no function %q", r.module.kind, name)
	}
	results, err := f.Call(r.ctx, args...)
	if err != nil {
		return 0, r.module.cause(r.ctx, err)
	}
	if len(results) != 1 {
		return 0, fmt.Errorf("the %s's function %q has %d results, expected 1", r.module.kind, name, len(results))
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
	return at, r.Write(at, data)
}

// Write copies data to a place in the decoder's memory.
func (r *Run) Write(at uint64, data []byte) error {
	if at > math.MaxUint32 || !r.instance.Memory().Write(uint32(at), data) {
		return errOutside
	}
	return nil
}

var errOutside = errors.New("the memory in the sandbox ends too early")

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
