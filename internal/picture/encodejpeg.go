package picture

import (
	"github.com/declip/declip/internal/picture/jpeg"
)

// JPEGTables are the quantisation steps and the subsampling of a file to be written.
type JPEGTables = jpeg.Tables

// standardLuma and standardChroma are the tables of T.81, K.1 and K.2, row by row.
var (
	standardLuma = [64]int{
		16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
		18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
	}
	standardChroma = [64]int{
		17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
		99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
	}
)

// StandardTables are those of libjpeg at a quality of 1 to 100, without subsampling.
func StandardTables(quality int) JPEGTables {
	quality = min(max(quality, 1), 100)
	percent := 200 - 2*quality
	if quality < 50 {
		percent = 5000 / quality
	}
	t := JPEGTables{Horizontal: 1, Vertical: 1}
	for i := range 64 {
		t.Luma[i] = uint8(min(max((standardLuma[i]*percent+50)/100, 1), 255))
		t.Chroma[i] = uint8(min(max((standardChroma[i]*percent+50)/100, 1), 255))
	}
	return t
}

// EncodeJPEGTables gives the bytes of a baseline JPEG file with the given steps and subsampling. As
// in libjpeg, colours are converted in fixed point, chroma is averaged, and the picture's last
// column and row are repeated up to whole blocks. A picture with a side above 65535 pixels is an
// error.
func EncodeJPEGTables(p *RGB, t JPEGTables) ([]byte, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	mw, mh := t.MCU()
	w, h := (p.Width+mw-1)/mw*mw, (p.Height+mh-1)/mh*mh
	planes := [3][]uint8{make([]uint8, w*h), make([]uint8, w*h), make([]uint8, w*h)}
	for y := range h / 8 {
		p.blockRow(y, w, [3][]uint8{planes[0][8*y*w:], planes[1][8*y*w:], planes[2][8*y*w:]})
	}
	for i := 1; i < 3; i++ {
		planes[i] = subsampled(planes[i], w, h, t.Horizontal, t.Vertical)
	}
	return jpeg.Encode(p.Width, p.Height, planes, t)
}

// subsampled averages cells of h x v samples, with libjpeg's rounding: halves go up and down by
// turns along a row.
func subsampled(plane []uint8, width, height, h, v int) []uint8 {
	if h*v == 1 {
		return plane
	}
	out := make([]uint8, 0, width/h*(height/v))
	for y := 0; y < height; y += v {
		for x := 0; x < width; x += h {
			sum := 0
			for j := range v {
				for i := range h {
					sum += int(plane[(y+j)*width+x+i])
				}
			}
			bias := h * v / 4 // 0 and 1 for pairs, 1 and 2 for fours
			if x/h%2 == 1 {
				bias++
			}
			out = append(out, uint8((sum+bias)/(h*v)))
		}
	}
	return out
}
