// Package doublejpeg finds areas that lack a picture's earlier JPEG compression.
//
// JPEG rounds the cosine coefficients of 8 x 8 blocks to multiples of a step. A photograph that was
// a JPEG file, was manipulated and was saved as JPEG again has been rounded twice, which makes some
// multiples of the second steps too frequent and others too rare (Popescu and Farid, "Statistical
// tools for digital forensics", 2004). What was pasted, moved or painted over was not rounded the
// first time, or on other blocks: it has values that the rest of the picture avoids. As in Lin, He,
// Tang and Tang, "Fast, automatic and fine-grained tampered JPEG image detection via DCT
// coefficient analysis" (2009), each value of each frequency gives the log-odds of being there
// rather than in the rest of the picture. The distribution without the first rounding is not
// modelled but counted, in blocks on another grid, which that rounding does not fit (after Lukas
// and Fridrich, "Estimation of primary quantization matrix in double compressed JPEG images",
// 2003). If there was only one rounding, both distributions are equal and nothing is found.
//
// A first rounding on another grid, as in a picture that was cropped, and one in a picture that was
// not saved as JPEG again are found in the same way, with steps of 1 on the grid whose distribution
// differs most from the others.
package doublejpeg
