// Package npy reads and writes arrays in NumPy's .npy format.
//
// It writes float32 and float16 arrays as version 1.0 of the format, in row-major (C) order, which
// numpy.load reads. It reads the float32 arrays that it writes and, with [ReadNumbers], other
// numbers, orders and versions.
package npy
