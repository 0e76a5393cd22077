// JPEG XL for a WebAssembly sandbox: a file in memory becomes samples of 8 bits.
//
// One instance decodes one file and is thrown away, so memory is not freed.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jxl/decode.h"

#define EXPORT(name) extern "C" __attribute__((export_name(name)))

// What is read from outside. All fields are numbers of 32 bits.
struct Answer {
  uint32_t width, height, channels, animated, black, pixels;
};
static Answer answer;
static JxlDecoder* decoder;
static bool original_profile;

extern "C" void __wasm_call_ctors();

EXPORT("answer") uint32_t answer_at() { return (uint32_t)(uintptr_t)&answer; }

// The sandbox calls fd_close in loops, so the module must import it.
EXPORT("import") uint32_t import() { return (uint32_t)close(-1); }

enum Result { FAILED = 0, SUCCEEDED = 1, ENDS_EARLY = 2, NO_MEMORY = 3 };

// begin reads the header.
EXPORT("begin") uint32_t begin(const uint8_t* data, uint32_t size) {
  __wasm_call_ctors();
  decoder = JxlDecoderCreate(nullptr);
  if (!decoder) return NO_MEMORY;
  const int events = JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING | JXL_DEC_FULL_IMAGE;
  if (JxlDecoderSubscribeEvents(decoder, events) != JXL_DEC_SUCCESS ||
      JxlDecoderSetUnpremultiplyAlpha(decoder, JXL_TRUE) != JXL_DEC_SUCCESS ||
      JxlDecoderSetInput(decoder, data, size) != JXL_DEC_SUCCESS) {
    return FAILED;
  }
  JxlDecoderStatus s = JxlDecoderProcessInput(decoder);
  if (s == JXL_DEC_NEED_MORE_INPUT) return ENDS_EARLY;
  JxlBasicInfo info;
  if (s != JXL_DEC_BASIC_INFO || JxlDecoderGetBasicInfo(decoder, &info) != JXL_DEC_SUCCESS) return FAILED;
  answer.width = info.xsize;
  answer.height = info.ysize;
  answer.channels = info.num_color_channels;
  answer.animated = info.have_animation;
  original_profile = info.uses_original_profile;
  for (uint32_t i = 0; i < info.num_extra_channels; i++) {
    JxlExtraChannelInfo extra;
    if (JxlDecoderGetExtraChannelInfo(decoder, i, &extra) != JXL_DEC_SUCCESS) return FAILED;
    if (extra.type == JXL_CHANNEL_BLACK) answer.black = 1;
  }
  return SUCCEEDED;
}

// choose_profile asks for sRGB where the file's colours are given by an ICC profile that the decoder
// cannot convert to; it would give linear samples.
static bool choose_profile() {
  JxlPixelFormat format = {answer.channels, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};
  JxlColorEncoding c;
  if (original_profile || JxlDecoderGetColorAsEncodedProfile(decoder, &format, JXL_COLOR_PROFILE_TARGET_ORIGINAL,
                                                             &c) == JXL_DEC_SUCCESS) {
    return true;
  }
  memset(&c, 0, sizeof c);
  c.color_space = answer.channels == 1 ? JXL_COLOR_SPACE_GRAY : JXL_COLOR_SPACE_RGB;
  c.white_point = JXL_WHITE_POINT_D65;
  c.primaries = JXL_PRIMARIES_SRGB;
  c.transfer_function = JXL_TRANSFER_FUNCTION_SRGB;
  c.rendering_intent = JXL_RENDERING_INTENT_RELATIVE;
  return JxlDecoderSetPreferredColorProfile(decoder, &c) == JXL_DEC_SUCCESS;
}

// finish decodes the first frame.
EXPORT("finish") uint32_t finish() {
  JxlPixelFormat format = {answer.channels, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};
  for (;;) {
    JxlDecoderStatus s = JxlDecoderProcessInput(decoder);
    size_t n = 0;
    switch (s) {
      case JXL_DEC_COLOR_ENCODING:
        if (!choose_profile()) return FAILED;
        break;
      case JXL_DEC_NEED_IMAGE_OUT_BUFFER: {
        if (JxlDecoderImageOutBufferSize(decoder, &format, &n) != JXL_DEC_SUCCESS) return FAILED;
        void* out = malloc(n);
        if (!out) return NO_MEMORY;
        answer.pixels = (uint32_t)(uintptr_t)out;
        if (JxlDecoderSetImageOutBuffer(decoder, &format, out, n) != JXL_DEC_SUCCESS) return FAILED;
        break;
      }
      case JXL_DEC_FULL_IMAGE:
        return SUCCEEDED;
      case JXL_DEC_NEED_MORE_INPUT:
        return ENDS_EARLY;
      default:
        return FAILED;
    }
  }
}
