// Package published prepares pictures for other authors' networks and reads their answers.
//
// Each network has a file here, which turns a picture into the network's input tensors, as the
// authors' code does, and the network's outputs into a map at the picture's size. The formulas are
// in package network.
package published
