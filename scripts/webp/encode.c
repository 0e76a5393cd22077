// WebP encoder for the sandbox: one function over pixels in memory. Pictures have 3 bytes a pixel.
#include <stdint.h>

#include "src/webp/encode.h"

// pause is the function through which the sandbox stops a run; PAUSE_FILE is pauseFile of
// internal/picture/sandbox. libwebp itself imports nothing.
__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_close")))
int pause(int file);
enum { PAUSE_FILE = -7 };

// encode writes the address and the size of the file to result[0] and result[1]. It returns 0, or a
// number of WebPEncodingError, or -1 for settings that libwebp does not know. Lossless pictures are
// encoded with the effort of quality: 0 to 100.
__attribute__((export_name("encode")))
int encode(const uint8_t *rgb, int width, int height, int quality, int method, int lossless, uint32_t *result) {
	WebPConfig config;
	WebPPicture picture;
	WebPMemoryWriter writer;
	pause(PAUSE_FILE);
	if (!WebPConfigInit(&config) || !WebPPictureInit(&picture)) {
		return -1;
	}
	config.quality = (float)quality;
	config.method = method;
	config.lossless = lossless;
	if (!WebPValidateConfig(&config)) {
		return -1;
	}
	picture.use_argb = lossless;
	picture.width = width;
	picture.height = height;
	picture.writer = WebPMemoryWrite;
	picture.custom_ptr = &writer;
	WebPMemoryWriterInit(&writer);
	if (!WebPPictureImportRGB(&picture, rgb, 3 * width) || !WebPEncode(&config, &picture)) {
		return picture.error_code != VP8_ENC_OK ? (int)picture.error_code : VP8_ENC_ERROR_OUT_OF_MEMORY;
	}
	result[0] = (uint32_t)(uintptr_t)writer.mem;
	result[1] = (uint32_t)writer.size;
	return 0;
}
