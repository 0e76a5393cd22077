// Package twin runs the other side of a comparison, a Python process.
//
// Requests and answers are JSON objects, one per line.
package twin
