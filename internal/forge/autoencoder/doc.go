// Package autoencoder trains and runs a small convolutional autoencoder for pictures.
//
// The encoder converts a picture to a grid of latent values with a quarter of its width and height,
// and the decoder converts the grid back. Training from photographs takes minutes. Generators by
// latent diffusion work on such a grid, so that their decoder makes all of a picture, even if only
// a part of the grid was changed.
package autoencoder
