// Package models finds models by name and downloads published ones.
//
// A name is that of a model built into the program, the path of a file, or the name of a file in
// the models directory. The catalogue lists the published files and where they are; [Pull]
// downloads them into the models directory.
package models
