// Package gif decodes the first frame of GIF files to RGB pixels, as Pillow does.
//
// The frame is drawn on the logical screen: where it does not reach there is the transparent colour
// if the file has one, else the palette's first. The colours of transparent pixels are kept.
package gif
