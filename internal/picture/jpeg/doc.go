// Package jpeg decodes JPEG files to the same samples as libjpeg.
//
// The inverse cosine transform of the standard library rounds differently in one sample out of
// thirty, and traces of manipulation are no larger than that. Baseline, extended and progressive
// files with Huffman coding and 8 bits a sample are read.
//
// Files are not trusted: damage is an error, and work and memory are bounded by the size in the
// header.
package jpeg
