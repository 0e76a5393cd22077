// Package forensics lists the detectors: searches for traces of manipulation that need no network.
//
// To add one, write a package below this one and a line in the list of detectors.go. Its name is
// then valid in a network's Spec and for the flags, and its findings are marked in the maps of
// networks that name it.
package forensics
