// Package jpeggrid finds the grid of 8 x 8 blocks of a picture's earlier JPEG compression.
//
// JPEG rounds most of a block's high cosine coefficients to zero. On the grid of that compression,
// a picture that was cropped and saved again still has more coefficients near zero than on any
// other grid. Counting them as votes for a grid follows Nikoukhah, Anger, Ehret, Colom, Morel and
// Grompone von Gioi, "ZERO: a local JPEG grid origin detector based on the number of DCT zeros and
// its applications in image forensics" (IPOL, 2021); here all windows of a sample vote together for
// one grid.
package jpeggrid
