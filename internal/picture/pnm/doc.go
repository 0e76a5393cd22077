// Package pnm decodes the portable formats PBM, PGM, PPM and PAM to 8-bit grey or RGB pixels.
//
// Samples up to 65535 are scaled to 255 and rounded. Of several pictures in a file the first is
// read. Alpha is dropped.
package pnm
