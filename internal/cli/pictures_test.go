package cli

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// scene is a picture with structure, noise and a square that does not belong.
func scene(w, h int) image.Image {
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := uint8(120 + 80*math.Sin(float64(x+y)/11) + 20*r.Float64())
			c := color.RGBA{v, v / 2, 255 - v, 255}
			if inSquare(x, y, w, h) {
				c = color.RGBA{200, 30, 30, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// inSquare says where scene was manipulated.
func inSquare(x, y, w, h int) bool { return x > w/4 && x < w/2 && y > h/4 && y < h/2 }

func encodePicture(ext string, img image.Image) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch ext {
	case ".png":
		err = png.Encode(&b, img)
	case ".jpg", ".jpeg":
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 90})
	case ".gif":
		err = gif.Encode(&b, img, nil)
	case ".bmp":
		err = bmp.Encode(&b, img)
	case ".tif":
		err = tiff.Encode(&b, img, nil)
	default:
		err = fmt.Errorf("no encoder for %q", ext)
	}
	return b.Bytes(), err
}

// withOrientation puts an EXIF segment with the orientation into a JPEG, behind
// its first two bytes.
func withOrientation(jpg []byte, orientation byte) []byte {
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08" + // big endian, first directory at 8
		"\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00") // one entry: 0x0112, SHORT, 1 value
	exif = append(exif, orientation, 0, 0, 0, 0, 0, 0)
	out := append([]byte{}, jpg[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(exif)+2))
	return append(append(out, exif...), jpg[2:]...)
}

// pngHeader is a PNG that has nothing but a header.
func pngHeader(w, h uint32) []byte {
	chunk := append([]byte("IHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(chunk[4:], w)
	binary.BigEndian.PutUint32(chunk[8:], h)
	chunk[12], chunk[13] = 8, 2 // 8 bits, RGB
	out := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	out = append(out, chunk...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
}
