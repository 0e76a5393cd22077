//go:build amd64 && (linux || darwin)

package operators

// #cgo CFLAGS: -O3 -Wno-psabi
// #cgo LDFLAGS: -lpthread -lm
// #include <stdlib.h>
// #include "operators.h"
// #include "scratch.h"
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// Kinds returns the kinds that this processor belongs to, the fastest first. If there are none,
// there are no operators.
func Kinds() []Kind {
	var list []Kind
	if x := cpu.X86; x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX2 && x.HasFMA {
		list = append(list, AVX512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		list = append(list, AVX2)
	}
	return list
}

func (k Kind) c() C.processor {
	if k == AVX512 {
		return C.processor_avx512
	}
	return C.processor_avx2
}

// domains are the sets of operators made so far, one for each kind and number of threads. ONNX
// Runtime does not copy them, and sessions use them to their end, so they are never freed.
var domains struct {
	sync.Mutex
	of map[domain]unsafe.Pointer
}

type domain struct {
	kind    Kind
	threads int
}

// Register adds the operators to the options of a session with a number of threads. base is the
// result of the library's OrtGetApiBase, options an OrtSessionOptions.
func Register(base, options unsafe.Pointer, kind Kind, threads int) error {
	domains.Lock()
	defer domains.Unlock()
	key := domain{kind, threads}
	if domains.of[key] == nil {
		var text *C.char
		made := C.operators_domain(base, kind.c(), C.size_t(threads), &text)
		if made == nil {
			return failure(text)
		}
		if domains.of == nil {
			domains.of = map[domain]unsafe.Pointer{}
		}
		domains.of[key] = made
	}
	if text := C.operators_add(base, options, domains.of[key]); text != nil {
		return failure(text)
	}
	return nil
}

// failure returns a C message as an error and frees it.
func failure(text *C.char) error {
	if text == nil {
		return errors.New("operators: out of memory")
	}
	defer C.free(unsafe.Pointer(text))
	return fmt.Errorf("operators: %s", C.GoString(text))
}

// Free returns the memory that the operators keep for the next call to the system.
func Free() { C.scratch_free() }
