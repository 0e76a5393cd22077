// Package jxl decodes JPEG XL files and codestreams to 8-bit grey or RGB pixels.
//
// The size is read here; pixels are decoded by libjxl 0.7.0, which runs as WebAssembly in package
// sandbox. The orientation in the codestream is part of the picture in this format and is applied;
// that of EXIF data has no meaning in it (ISO/IEC 18181-2, 9.5) and is not read. Colour profiles
// are not applied, as in other formats.
//
// jxl.wasm.gz is built from Debian's sources (jpeg-xl 0.7.0-10+deb12u1, highway 1.0.3-3+deb12u1,
// brotli 1.0.9) by scripts/jxl/build.sh. The directory licences holds the licences: BSD with three
// clauses (libjxl), Apache 2.0 (highway) and MIT (brotli).
package jxl
