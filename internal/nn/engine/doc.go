// Package engine runs ONNX models with the ONNX Runtime library.
//
// It finds and opens the library, chooses the device, and turns models into sessions, which compute
// output tensors from input tensors. It is the only package that uses ONNX Runtime.
//
// The library is opened at run time and stays open until the process ends, because ONNX Runtime has
// one environment per process. Opening a second engine with the same library is cheap; opening one
// with another library is an error.
package engine
