// Package study runs a grid of trainings and tests and writes a report.
//
// There is one model for each variant (a layer, a decoder, a backbone) and training set. Each is
// tested on every test set and with every treatment of its pictures. Package report presents the
// results.
//
// The name of a result's file or directory contains a hash of everything that the result depends
// on. A study that was killed thus continues where it stopped, and after a change only what depends
// on the change is computed again.
package study
