// Package tensorboard writes and reads event files for TensorBoard: scalars and pictures by step.
//
// An event file is a sequence of records (see frame) that hold protocol buffers of type Event. The
// few fields that are needed are written by hand; their numbers are those of TensorFlow's
// event.proto and summary.proto.
package tensorboard
