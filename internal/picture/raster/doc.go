// Package raster holds decoded pixels: what the readers of picture files return.
//
// It is the common ground of the readers below package picture, which cannot import that package.
package raster
