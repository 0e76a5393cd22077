//go:build !windows

package engine

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

// The two stable entry points of ONNX Runtime's C interface, declared here so that no header is
// needed. OrtApi is a table of function pointers that grows only at its end; the slots below are
// counted from onnxruntime_c_api.h and have not moved since API version 1.
typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} declip_api_base;

enum { slot_release_status = 93, slot_get_providers = 125, slot_release_providers = 126 };

static const declip_api_base *declip_base(void *handle) {
	const declip_api_base *(*entry)(void) =
		(const declip_api_base *(*)(void))dlsym(handle, "OrtGetApiBase");
	return entry ? entry() : NULL;
}

static const char *declip_version(const declip_api_base *base) { return base->get_version(); }

static int declip_providers(const declip_api_base *base, char ***names) {
	void *const *api = (void *const *)base->get_api(1);
	if (!api) return -1;
	int count = 0;
	void *status = ((void *(*)(char ***, int *))api[slot_get_providers])(names, &count);
	if (status) {
		((void (*)(void *))api[slot_release_status])(status);
		return -1;
	}
	return count;
}

static void declip_release_providers(const declip_api_base *base, char **names, int count) {
	void *const *api = (void *const *)base->get_api(1);
	void *status = ((void *(*)(char **, int))api[slot_release_providers])(names, count);
	if (status) ((void (*)(void *))api[slot_release_status])(status);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// inspect opens a library and reads its version and its execution providers. A usable library stays
// open, because it is about to be used.
func inspect(path string) (library, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	handle := C.dlopen(name, C.RTLD_LAZY|C.RTLD_LOCAL)
	if handle == nil {
		return library{}, fmt.Errorf("cannot be loaded as a library: %s", C.GoString(C.dlerror()))
	}
	base := C.declip_base(handle)
	if base == nil {
		C.dlclose(handle)
		return library{}, errors.New("a library, but not ONNX Runtime: it has no OrtGetApiBase")
	}
	lib := library{path: path, version: C.GoString(C.declip_version(base)), base: unsafe.Pointer(base)}
	if err := checkVersion(lib.version); err != nil {
		C.dlclose(handle)
		return library{}, err
	}
	var names **C.char
	count := C.declip_providers(base, &names)
	if count < 0 {
		C.dlclose(handle)
		return library{}, errors.New("it does not list its execution providers")
	}
	for _, name := range unsafe.Slice(names, int(count)) {
		lib.providers = append(lib.providers, C.GoString(name))
	}
	C.declip_release_providers(base, names, count)
	return lib, nil
}
