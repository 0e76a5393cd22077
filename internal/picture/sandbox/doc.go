// Package sandbox runs decoders and encoders that were compiled to WebAssembly.
//
// Such a decoder sees nothing but its own memory, which is bounded, and is stopped when its context
// ends. A hostile file can make it fail, and nothing else.
package sandbox
