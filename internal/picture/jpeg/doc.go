// Package jpeg decodes JPEG files to the same samples as libjpeg, and writes them.
//
// The inverse cosine transform of the standard library rounds differently in one sample out of
// thirty, and traces of manipulation are no larger than that. Baseline, extended and progressive
// files with Huffman or arithmetic coding and 8 bits a sample are read.
//
// Files are not trusted: work and memory are bounded by the size in the header. Damaged scans are
// decoded as libjpeg decodes them, with a warning; a file that ends too early is an error.
package jpeg
