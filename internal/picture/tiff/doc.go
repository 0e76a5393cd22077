// Package tiff decodes TIFF and BigTIFF files to 8-bit grey or RGB pixels.
//
// It reads strips and tiles, chunky and planar; grey, RGB, palette, CMYK, YCbCr, Lab and
// transparency masks of 1 to 32 bits a sample, and floating point; without compression or with
// PackBits, LZW, Deflate, Zstandard, the fax codes of ITU-T T.4 and T.6, and JPEG. Of several pages
// the first is read. Alpha is dropped. The rest is refused by name.
//
// Files are not trusted: one row is decoded at a time, so that memory is bounded by the size in the
// header, which callers check with ReadHeader before they call Decode.
package tiff
