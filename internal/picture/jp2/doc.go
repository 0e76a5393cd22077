// Package jp2 decodes JPEG 2000 files and codestreams to 8-bit grey or RGB pixels.
//
// The size is read here; samples are decoded by OpenJPEG 2.5.0, which runs as WebAssembly in
// package sandbox. jp2.wasm.gz is built from Debian's sources (2.5.0-2+deb12u3) by
// scripts/jp2/build.sh. The directory licences holds OpenJPEG's licence, BSD with two clauses.
package jp2
