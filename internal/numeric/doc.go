// Package numeric holds small formulas that several packages compute, each once.
//
// Results depend on them to the last bit: changing the order of operations changes maps.
package numeric
