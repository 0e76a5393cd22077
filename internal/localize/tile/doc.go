// Package tile runs a fully convolutional network over a picture of any size in overlapping tiles.
//
// The picture keeps its resolution. The tiles' outputs are blended with a smooth window into one
// map. Memory stays small: only tiles in progress exist as float32 pixels, and outputs are added up
// at the network's output resolution. picture.Map.Upsample enlarges the finished map.
package tile
