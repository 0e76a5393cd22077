// Package metric scores maps of manipulation probability against true masks and averages the
// scores.
//
// The scores are those of the published evaluation of DeCLIP. A map is a []float32 of probabilities
// in [0,1] and a mask a []bool, true where a pixel was manipulated; both are H*W, row by row. A
// pixel is predicted to be manipulated where its probability is greater than the threshold. IoU is
// in percent, as published; everything else is a fraction in [0,1].
//
// Some scores are not defined for some pictures: F1Best where the prediction is constant, AUC where
// the mask is empty or full. They are NaN here, and Mean leaves them out and counts them, so that
// one picture cannot spoil an average.
package metric
