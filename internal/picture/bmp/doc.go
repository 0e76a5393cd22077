// Package bmp decodes Windows and OS/2 bitmaps to 8-bit grey or RGB pixels.
//
// It reads 1, 2, 4, 8, 16, 24 and 32 bits a pixel, palettes, bit fields, run-length coding, and
// rows from the bottom up or from the top down. Alpha is dropped.
package bmp
