package raster

import (
	"fmt"
	"slices"
)

// Image is a picture of 8-bit samples.
type Image struct {
	// Pix holds the samples [Height, Width, Channels], without padding.
	Pix           []uint8
	Width, Height int
	Channels      int // 1 (grey) or 3 (red, green, blue)
	Warnings
}

// New returns a black picture of the given size in pixels.
func New(width, height, channels int) *Image {
	return &Image{Pix: make([]uint8, width*height*channels), Width: width, Height: height, Channels: channels}
}

// Row is the memory of row y.
func (m *Image) Row(y int) []uint8 {
	n := m.Width * m.Channels
	return m.Pix[y*n:][:n]
}

// maxWarnings bounds the warnings of one picture; a hostile file could cause one per row.
const maxWarnings = 20

// Warnings says what is wrong with a picture that was decoded all the same, each text once.
type Warnings []string

// Warn adds a warning.
func (w *Warnings) Warn(format string, args ...any) {
	if len(*w) >= maxWarnings { // damage at every byte must not cost a text for each
		return
	}
	if text := fmt.Sprintf(format, args...); !slices.Contains(*w, text) {
		*w = append(*w, text)
	}
}

// From16 scales a 16-bit sample to 8 bits: v/257, rounded, as viewers show it.
func From16(v uint16) uint8 { return uint8((uint32(v)*255 + 32767) / 65535) }

// FromInk converts cyan, magenta, yellow and black (255 is full ink) to red, green and blue as
// Pillow does: each colour is (255-k) - c*(255-k)/255, rounded.
func FromInk(rgb, cmyk []uint8) {
	white := 255 - int(cmyk[3])
	for i := range 3 {
		t := int(cmyk[i])*white + 128
		rgb[i] = uint8(max(white-(t>>8+t)>>8, 0))
	}
}
