// Package heif decodes HEIC and AVIF files to 8-bit grey or RGB pixels.
//
// The header is read here; pixels are decoded by libheif with libde265 (HEIC) and by libavif with
// libaom (AVIF), which run as WebAssembly in package sandbox. Rotation, mirroring and cropping by
// the file's item properties are part of the picture in this format and are applied. EXIF
// orientation has no meaning in it (ISO/IEC 23008-12, A.2.1) and is not read.
//
// heif.wasm.gz and avif.wasm.gz are lib/heif.wasm.gz of github.com/gen2brain/heic v0.4.5 (libheif
// 1.18.2, libde265 1.0.15) and lib/decode.wasm.gz of github.com/gen2brain/avif v0.4.4, with the
// sources and Makefiles there. Those modules are not imported, because they load a shared library
// of the system into the process where there is one, bound neither memory nor time, and bring an
// encoder. The directory licences holds the licences: LGPL 3 (libheif, libde265), BSD (libavif,
// libaom, libyuv) and MIT (the bindings). To use other builds of the libraries, replace the files.
package heif
