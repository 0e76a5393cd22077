package engine

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// MinVersion is the oldest ONNX Runtime that can be used: the binding requires version 24 of its C
// API.
const MinVersion = "1.24"

var (
	// ErrNoLibrary is returned (wrapped) by Open when no usable ONNX Runtime library is found.
	ErrNoLibrary = errors.New("no ONNX Runtime library found")
	// ErrOtherLibrary is returned (wrapped) by Open when the process already runs another library.
	ErrOtherLibrary = errors.New("another ONNX Runtime library is already open in this process")
	// ErrDevice is returned (wrapped) for a device that is unknown, not offered or not working.
	ErrDevice = errors.New("device not usable")
	// ErrClosed is returned (wrapped) when a closed session or tensor is used.
	ErrClosed = errors.New("already closed")
)

// LogLevel selects which of ONNX Runtime's own messages go to standard error.
type LogLevel int

// LogQuiet, the zero value, prints nothing: failures are returned as Go errors with the same text.
const (
	LogQuiet LogLevel = iota
	LogError
	LogWarning
	LogInfo
	LogVerbose
)

func (l LogLevel) severity() ort.LoggingLevel {
	switch l {
	case LogError:
		return ort.LoggingLevelError
	case LogWarning:
		return ort.LoggingLevelWarning
	case LogInfo:
		return ort.LoggingLevelInfo
	case LogVerbose:
		return ort.LoggingLevelVerbose
	}
	return ort.LoggingLevelFatal
}

// Options are the choices for Open. The zero value searches for the library and takes the best
// device.
type Options struct {
	// Library is the path of the ONNX Runtime library or of a directory that contains it. Empty:
	// search, see Open.
	Library string
	// Device is "auto" (also when empty), "cpu", or a name the library offers, with an optional
	// number: "cuda", "cuda:1", "tensorrt:0", "coreml", "openvino", "directml".
	Device string
	// Threads is the number of threads that a session uses. 0: the cores that the process may use.
	Threads int
	// Log selects ONNX Runtime's messages. The first Open of the process sets it for the
	// environment.
	Log LogLevel
}

// MaxThreads returns the largest number of threads that can be requested. More threads than cores
// are slower, but give the same result as on the machine that has the cores. Thousands would
// exhaust the machine.
func MaxThreads() int { return max(64, 4*runtime.NumCPU()) }

// Engine is an open library with a chosen device. It is safe for concurrent use and needs no
// closing.
type Engine struct {
	library library
	device  device
	note    string
	threads int
	log     LogLevel
}

// Info describes an engine and the machine it runs on.
type Info struct {
	Library string   // path of the library
	Source  string   // how it was found, e.g. "project cache"
	Version string   // of ONNX Runtime, e.g. "1.30.0"
	Devices []string // what the library offers, best first; always ends in "cpu"
	Device  string   // what sessions run on, e.g. "cpu" or "cuda:0"
	Note    string   // why "auto" did not take a better device, else empty
	Cores   int      // logical CPUs the process may be scheduled on
	Threads int      // threads of a session, unless set in its options
	Refused []string // libraries that come earlier in the search and were not used, with reasons
	SIMD    []string // vector instructions of the CPU that matter here, e.g. "avx2"
}

// Name is the engine's name and version, e.g. "ONNX Runtime 1.30.0".
func (i Info) Name() string { return "ONNX Runtime " + i.Version }

// The one environment of the process.
var environment struct {
	sync.Mutex
	library library // path empty: not open yet
}

// Open finds the library, opens it and chooses the device.
//
// The library is searched in this order: Options.Library; the environment variable DECLIP_ORT_LIB;
// the directory of the program; ../lib/declip next to it; .cache/onnxruntime of the project's
// checkout that the program was built in, if the user owns it ("make setup" fills it); the user's
// cache (UserDir, filled by "declip doctor --install"); the system's usual directories. The current
// directory and the loader's search path are never used. The first two are final: if that file is
// not usable, Open fails without searching further. Files found elsewhere are refused if they, or a
// directory above them, belong to another user than root and the current one, or if everyone can
// write to them; Info lists what was refused. Errors: ErrNoLibrary, ErrOtherLibrary, ErrDevice,
// each wrapped with the requested name.
func Open(o Options) (*Engine, error) {
	if o.Threads < 0 || o.Threads > MaxThreads() {
		return nil, fmt.Errorf("threads %d: expected 0 to %d", o.Threads, MaxThreads())
	}
	want, err := parseDevice(o.Device)
	if err != nil {
		return nil, err
	}
	lib, err := openEnvironment(o)
	if err != nil {
		return nil, err
	}
	e := &Engine{library: lib, threads: o.Threads, log: o.Log}
	if e.threads == 0 {
		e.threads = runtime.GOMAXPROCS(0)
	}
	if err := e.choose(want); err != nil {
		return nil, err
	}
	return e, nil
}

func openEnvironment(o Options) (library, error) {
	environment.Lock()
	defer environment.Unlock()
	explicit := o.Library != "" || libraryVariable() != ""
	if open := environment.library; open.path != "" {
		if !explicit {
			return open, nil
		}
		asked, err := explicitPath(o.Library)
		if err != nil {
			return library{}, err
		}
		if !sameFile(asked, open.path) {
			return library{}, fmt.Errorf("%s: %w: %s", asked, ErrOtherLibrary, open.path)
		}
		return open, nil
	}
	lib, err := findLibrary(o.Library)
	if err != nil {
		return library{}, err
	}
	ort.SetSharedLibraryPath(lib.path)
	err = ort.InitializeEnvironment(func() ort.EnvironmentOption {
		switch o.Log {
		case LogError:
			return ort.WithLogLevelError()
		case LogWarning:
			return ort.WithLogLevelWarning()
		case LogInfo:
			return ort.WithLogLevelInfo()
		case LogVerbose:
			return ort.WithLogLevelVerbose()
		}
		return ort.WithLogLevelFatal()
	}())
	if err != nil {
		return library{}, fmt.Errorf("open ONNX Runtime library %s: %w", lib.path, err)
	}
	// Windows builds of the library report usage unless this is turned off; other builds do not.
	_ = ort.DisableTelemetry()
	environment.library = lib
	return lib, nil
}

// Info describes the library, the device and the machine.
func (e *Engine) Info() Info {
	return Info{
		Library: e.library.path,
		Source:  e.library.source,
		Version: ort.GetVersion(),
		Devices: e.library.devices(),
		Device:  e.device.String(),
		Note:    e.note,
		Refused: slices.Clone(e.library.refused),
		Cores:   runtime.NumCPU(),
		Threads: e.threads,
		SIMD:    simd(),
	}
}
