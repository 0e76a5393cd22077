// Package pickle reads Python's pickles as data, without executing anything.
//
// A pickle is a program for a small stack machine, and Python's own reader lets that program import
// and call anything that it names. Here every name that a pickle refers to goes through [Rules],
// which allow a few names and supply the values for them. Opcodes that the supported pickles do not
// need are refused by name.
//
// Pickles are not trusted: the memory that they may use is bounded before it is allocated, and any
// input gives a value or an error, never a panic. A value may refer to itself and may be nested as
// deep as its pickle is long, so code that follows references must bound that itself.
//
// A value is one of: nil (None), bool, int64, *big.Int (beyond 64 bits), float64, string, Bytes,
// Tuple, *List, *Dict, Global, or a value that the Rules made.
package pickle
