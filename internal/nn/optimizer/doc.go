// Package optimizer moves parameters by their gradients, in place, with AdamW or SGD.
//
// It is a loop in Go and not a part of the training step's graph. A graph would write the new
// values next to the old ones, which for a large decoder costs half a gigabyte more.
package optimizer
