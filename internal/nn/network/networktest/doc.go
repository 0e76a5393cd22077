// Package networktest makes weights files for tests and benchmarks.
//
// The networks have any size, the published layouts, and random weights that keep the features in
// bounds. Real weights cannot be downloaded everywhere, and would be a gigabyte.
package networktest
