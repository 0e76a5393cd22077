// Package network builds declip's networks as formulas over named weights.
//
// A network has a backbone, which turns a picture into features, and a decoder, which turns the
// features into a map of logits. A [Spec] says which; sizes come from the Spec and from the shapes
// of tensors. The package knows a network in four forms:
//
//   - [Network] is a network in one piece, backbone included, with its weights in memory.
//   - [Head] is a decoder with its weights in memory, trained on the features of frozen backbones.
//   - [FineTuned] is such a decoder and its backbones, trained together.
//   - [Pretrained] is an opened model whose weights stay in their files.
//
// The first three can be trained and are stored in one safetensors file whose metadata carry the
// Spec.
package network
