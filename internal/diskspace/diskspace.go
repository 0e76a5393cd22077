// Package diskspace tells how much room is left on a disk.
package diskspace
