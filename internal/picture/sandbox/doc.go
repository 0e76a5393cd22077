// Package sandbox runs decoders that were compiled to WebAssembly.
//
// Such a decoder sees nothing but its own memory, which is bounded, and is stopped when its context ends. Whatever a
// hostile file makes of it, it can only fail.
package sandbox
