//go:build !windows

package engine

/*
#include <stdint.h>
#include <stdlib.h>

// See inspect_unix.go: slots of the table OrtApi, counted from onnxruntime_c_api.h.
typedef struct {
	const void *(*get_api)(uint32_t version);
} declip_api_table;

enum {
	slot_error_message = 2,
	slot_tensor_of_memory = 49,
	slot_cpu_memory = 69,
	slot_free_memory_info = 94,
	slot_free_status = 93,
	slot_free_value = 96,
	slot_add_external = 210, // since version 12
	api_version = 12,
	device_allocator = 0,
	default_memory = 0,
};

// message returns a copy of the status's text, which the caller frees, and frees the status; NULL
// for success.
static char *message(void *const *api, void *status) {
	if (!status) return NULL;
	const char *text = ((const char *(*)(const void *))api[slot_error_message])(status);
	size_t n = 0;
	while (text[n]) n++;
	char *copy = malloc(n + 1);
	if (copy) for (size_t i = 0; i <= n; i++) copy[i] = text[i];
	((void (*)(void *))api[slot_free_status])(status);
	return copy;
}

// add_external sets the values of an external initializer to memory, which must stay until the
// session is created.
static char *add_external(const declip_api_table *base, void *options, const char *name,
	void *memory, size_t length, const int64_t *shape, size_t dims, int type) {
	void *const *api = (void *const *)base->get_api(api_version);
	void *info = NULL, *value = NULL;
	char *text = message(api, ((void *(*)(int, int, void **))
		api[slot_cpu_memory])(device_allocator, default_memory, &info));
	if (text) return text;
	typedef void *create(const void *, void *, size_t, const int64_t *, size_t, int, void **);
	create *tensor = (create *)api[slot_tensor_of_memory];
	text = message(api, tensor(info, memory, length, shape, dims, type, &value));
	((void (*)(void *))api[slot_free_memory_info])(info);
	if (text) return text;
	const void *values[] = {value};
	text = message(api, ((void *(*)(void *, const char *const *, const void *const *, size_t))
		api[slot_add_external])(options, &name, values, 1));
	((void (*)(void *))api[slot_free_value])(value);
	return text;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"
)

// failure makes an error of a message and frees it; nil for nil.
func failure(text *C.char) error {
	if text == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(text))
	return errors.New(C.GoString(text))
}

// alignment of weights in memory, in bytes: as that of ONNX Runtime's own allocator.
const alignment = 64

// supply reads weights into memory and sets them in the options of a session. release frees the
// memory.
func (e *Engine) supply(options *ort.SessionOptions, w *weightsFiles, list []initializer) (release func(), err error) {
	var blocks []unsafe.Pointer
	release = func() {
		for _, b := range blocks {
			C.free(b)
		}
	}
	// The binding does not expose the options that it wraps, which are its only field.
	raw := *(*unsafe.Pointer)(unsafe.Pointer(options))
	for _, t := range list {
		if size := w.files[t.location].info.Size(); t.length <= 0 || t.offset < 0 || t.offset > size-t.length {
			return release, fmt.Errorf("%s: tensor %q has %d bytes at %d, the file has %d",
				w.files[t.location].path, t.name, t.length, t.offset, size)
		}
		var memory unsafe.Pointer
		if C.posix_memalign(&memory, alignment, C.size_t(t.length)) != 0 {
			return release, fmt.Errorf("tensor %q: no memory for %d bytes", t.name, t.length)
		}
		blocks = append(blocks, memory)
		if err := w.read(t, unsafe.Slice((*byte)(memory), t.length)); err != nil {
			return release, err
		}
		if err := addExternal(e.library.base, raw, t, memory); err != nil {
			return release, fmt.Errorf("tensor %q: %w", t.name, err)
		}
	}
	return release, nil
}

func addExternal(base, options unsafe.Pointer, t initializer, memory unsafe.Pointer) error {
	name := C.CString(t.name)
	defer C.free(unsafe.Pointer(name))
	var shape *C.int64_t
	if len(t.shape) > 0 {
		shape = (*C.int64_t)(unsafe.Pointer(&t.shape[0]))
	}
	return failure(C.add_external((*C.declip_api_table)(base), options, name, memory, C.size_t(t.length),
		shape, C.size_t(len(t.shape)), C.int(t.dtype)))
}
