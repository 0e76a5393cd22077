// Package onnxruntime installs the ONNX Runtime library that the engine runs on.
//
// The library comes from the npm package onnxruntime-node, which holds one for each platform and is
// published by Microsoft. The version is pinned, and so are the SHA-256 digests of the package and
// of each library in it. [Install] downloads the package, or takes it from a mirror or a file,
// checks it and puts this platform's library into the user's cache, where the engine looks for it.
package onnxruntime
