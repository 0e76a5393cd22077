//go:build !unix

package main

import "os"

// peakMemory is unknown on this system.
func peakMemory(*os.ProcessState) float64 { return 0 }

// ownPeak is unknown on this system.
func ownPeak() float64 { return 0 }
