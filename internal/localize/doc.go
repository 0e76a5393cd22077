// Package localize takes pictures through opened models to results.
//
// Model opens models and localizes pictures. The steps of a picture's way are listed in
// pipeline.go. A Runner runs one network over one picture, a Group runs several networks and shares
// the backbones that they have in common; both also serve training and evaluation, so that a
// network is measured with what its users run.
package localize
