// Package forge makes manipulated pictures with exact masks out of real photographs.
//
// It pastes objects from another photograph, copies parts of a picture elsewhere in it, and removes
// parts and fills the holes. The pictures train and test detectors, so the random choices (shapes,
// sizes, blending, compression history) cover a wide range. Untouched pictures get the same
// treatment, so that the treatment itself reveals nothing.
//
// Every picture depends on the photographs, the configuration and its index only. The number of
// workers and the order of the work change nothing.
package forge
