// Package memory reads how much memory a process takes, or took.
package memory
