// Package components finds the connected components of maps.
//
// Labeller joins runs of cells row by row and keeps only what touches the latest row; Of gives the
// cells of each component. Which cells touch is a Connectivity.
package components
