// Package parquet reads pictures with masks from Parquet files as Hugging Face writes them.
//
// A row is a picture: image.bytes is its file, mask.bytes its mask's, label is 0 for an untouched
// picture and 1 for a manipulated one, key is its name.
package parquet
