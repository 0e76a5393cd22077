package picture

import (
	"bytes"
	"image"

	"golang.org/x/image/tiff"
)

// decodeTIFF corrects one thing in what package tiff gives: it takes what a fax
// code calls black for black even where the file says that these bits are white.
func decodeTIFF(data []byte) (image.Image, error) {
	m, err := tiff.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	const (
		compression, group3, group4 = 259, 3, 4
		photometric, blackIsZero    = 262, 1
	)
	c := tiffShort(data, compression)
	if g, ok := m.(*image.Gray); ok && (c == group3 || c == group4) && tiffShort(data, photometric) == blackIsZero {
		for i, v := range g.Pix {
			g.Pix[i] = 255 - v
		}
	}
	return m, nil
}
