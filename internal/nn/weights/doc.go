// Package weights reads and writes files of named tensors.
//
// It reads safetensors and PyTorch's formats (the zip archives of torch.save, TorchScript archives,
// and the older format that is not an archive), and writes safetensors.
//
// Opening a file reads only the description of its tensors. The contents of a tensor are read when
// they are requested, or the engine maps them from the file by offset and length. Files are not
// trusted. Nothing in them is executed: package pickle reads a checkpoint's pickle, knows a dozen
// names and refuses all others. Every length is checked against the file before it is used, time
// and memory are bounded, and a bad file gives an error that names the file and the tensor, never a
// panic.
package weights
