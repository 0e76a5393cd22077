// Package picture decodes pictures and turns maps of probabilities into masks, overlays and files.
//
// Pictures are decoded as Pillow's convert("RGB") does, including libjpeg's chroma upsampling, and
// resized bit for bit as Pillow's BILINEAR filter does. They keep the pixel grid of the file: an
// EXIF orientation is reported, never applied. Alpha is dropped, not composited.
package picture
