// Package convert writes networks as safetensors for inference, or as ONNX files.
//
// A safetensors file contains what inference needs of a network, an ONNX file all of it. What was
// written is read back and compared with the original before the file gets its name.
package convert
