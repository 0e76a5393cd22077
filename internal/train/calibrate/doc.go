// Package calibrate shifts a network's logits so that 0.5 is a good threshold.
//
// It finds, on pictures with known masks, the threshold with the best F1 that does not flag too
// many untouched pictures, and adds its logit to the bias of the network's last layer.
//
// A network that was trained on crops, most of them manipulated, says "manipulated" too often or
// too rarely on whole photographs; only photographs show which. Only one number of the network
// changes, so the order of the pixels' probabilities stays the same, and with it AP.
package calibrate
