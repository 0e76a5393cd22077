// Package evidence measures traces of JPEG compression for networks to learn from.
//
// It gives some numbers for each block of 8 x 8 pixels of a picture, where detectors give a
// verdict. The log-odds that a block lacks the picture's earlier compression come from package
// doublejpeg, by group of frequencies. The strength of blocks' borders is compared between the
// eight places where they may be, as an area from another file has them elsewhere. Borders show in
// differences of neighbouring pixels (Li, Yuan and Yu, "Passive detection of doctored JPEG image
// via block artifact grid extraction", 2009); comparing them with the whole picture's follows the
// comparison with the other 63 grids of Bianchi and Piva ("Detection of nonaligned double JPEG
// compression based on integer periodicity maps", 2012).
package evidence
