// Package rastertest helps the tests of the readers of picture files.
package rastertest
