// Package check examines a data set before it is used.
//
// It reports what the set contains, what is missing, broken or doubtful, and whether masks seem to
// be inverted. Sheet draws a sample of the pictures with their masks on one contact sheet.
package check
