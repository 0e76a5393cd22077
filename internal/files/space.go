// Package files tells how much room is left on a disk.
package files
