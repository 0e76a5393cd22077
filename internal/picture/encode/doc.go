// Package encode makes WebP and AVIF files.
//
// The files are the work of the libraries that services and programs use, libwebp 1.2.4 and libavif
// 1.1.1 with libaom 3.10.0, which run as WebAssembly in package sandbox. The same pixels and
// quality give the same bytes on every machine. The young encoders written in Go take other
// decisions than libwebp does, and leave traces that pictures on the web do not have.
//
// The package is not part of package picture, so that programs which only read pictures do not
// contain the encoders.
//
// webp.wasm.gz is built from Debian's sources (libwebp 1.2.4-0.2+deb12u1) by scripts/webp/build.sh.
// avif.wasm.gz is lib/encode.wasm.gz of github.com/gen2brain/avif v0.4.4, with the sources and the
// Makefile there. That module is not imported, because it loads a shared library of the system into
// the process where there is one, and results would depend on the machine. The WebAssembly of
// github.com/gen2brain/webp imports nothing, so a run of it could not be stopped. The directory
// licences holds the licences: BSD (libwebp, libavif, libaom, libyuv) and MIT (the bindings).
package encode
