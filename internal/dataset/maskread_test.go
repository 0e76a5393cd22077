package dataset

import (
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// A drawing marks the left half of 16 x 8 pixels with one value and the rest with another.
func halves(set func(x, y int, inside bool)) {
	for y := range 8 {
		for x := range 16 {
			set(x, y, x < 8)
		}
	}
}

var bounds = image.Rect(0, 0, 16, 8)

func greyHalves(inside, outside uint8) image.Image {
	m := image.NewGray(bounds)
	halves(func(x, y int, in bool) {
		m.SetGray(x, y, color.Gray{Y: outside})
		if in {
			m.SetGray(x, y, color.Gray{Y: inside})
		}
	})
	return m
}

func deepHalves(inside, outside uint16) image.Image {
	m := image.NewGray16(bounds)
	halves(func(x, y int, in bool) {
		m.SetGray16(x, y, color.Gray16{Y: outside})
		if in {
			m.SetGray16(x, y, color.Gray16{Y: inside})
		}
	})
	return m
}

func colourHalves(inside, outside color.NRGBA) image.Image {
	m := image.NewNRGBA(bounds)
	halves(func(x, y int, in bool) {
		m.SetNRGBA(x, y, outside)
		if in {
			m.SetNRGBA(x, y, inside)
		}
	})
	return m
}

func palettedHalves(inside, outside uint8, p ...color.Color) image.Image {
	m := image.NewPaletted(bounds, p)
	halves(func(x, y int, in bool) {
		m.SetColorIndex(x, y, outside)
		if in {
			m.SetColorIndex(x, y, inside)
		}
	})
	return m
}

// withPixel changes one pixel of the unmarked half.
func withPixel(m image.Image, c color.Color) image.Image {
	m.(interface {
		Set(x, y int, c color.Color)
	}).Set(12, 4, c)
	return m
}

func TestReadMask(t *testing.T) {
	black, red, white := color.NRGBA{A: 255}, color.NRGBA{R: 255, A: 255}, color.NRGBA{255, 255, 255, 255}
	maroon, green, transparent := color.NRGBA{R: 128, A: 255}, color.NRGBA{G: 128, A: 255}, color.NRGBA{}
	for name, c := range map[string]struct {
		m       image.Image
		values  string
		channel Channel
		inside  uint8
		outside uint8
		note    string // part of it; "" if there is none
		problem string // part of the error; "" if there is none
		asJPEG  bool
	}{
		"0 and 255":            {m: greyHalves(255, 0), inside: 255},
		"soft":                 {m: withPixel(greyHalves(200, 0), color.Gray{Y: 40}), inside: 200},
		"0 and 1":              {m: greyHalves(1, 0), inside: 255, note: "values 0 and 1: 1 is read"},
		"all 1":                {m: greyHalves(1, 1), inside: 255, outside: 255, note: "1 is read"},
		"empty":                {m: greyHalves(0, 0)},
		"0 and 38":             {m: greyHalves(38, 0), inside: 255, note: "values 0 and 38"},
		"labels":               {m: withPixel(greyHalves(2, 0), color.Gray{Y: 1}), problem: "its values go up to 2 only"},
		"labels, nonzero":      {m: withPixel(greyHalves(2, 0), color.Gray{Y: 1}), values: "nonzero", inside: 255},
		"labels, 2":            {m: greyHalves(2, 1), values: "2", inside: 255},
		"labels, range":        {m: greyHalves(7, 1), values: "3-5,7-9", inside: 255},
		"labels and 255":       {m: withPixel(greyHalves(1, 0), color.Gray{Y: 255}), problem: "label numbers and 255"},
		"constant 3":           {m: greyHalves(3, 3), problem: "its values go up to 3 only"},
		"16 bits":              {m: deepHalves(65535, 0), inside: 255, note: "16-bit values"},
		"16 bits, 0 and 1":     {m: deepHalves(1, 0), inside: 255, note: "values 0 and 1"},
		"16 bits, 0, 255":      {m: deepHalves(255, 0), inside: 255},
		"16 bits, 0, 1000":     {m: deepHalves(1000, 0), inside: 255, note: "values 0 and 1000"},
		"16 bits, soft":        {m: withPixel(deepHalves(65535, 0), color.Gray16{Y: 257 * 30}), inside: 255, note: "16-bit"},
		"16 bits, dark":        {m: withPixel(deepHalves(3000, 0), color.Gray16{Y: 2000}), problem: "its values go up to 3000 only, but over 32767"},
		"16 bits, values":      {m: withPixel(deepHalves(3000, 0), color.Gray16{Y: 2000}), values: "3000", inside: 255},
		"red on black":         {m: colourHalves(red, black), inside: 255, note: "colours black and #ff0000"},
		"red on white":         {m: colourHalves(red, white), problem: "it has the colours #ff0000, #ffffff"},
		"red, by value":        {m: colourHalves(red, white), values: "#ff0000", inside: 255},
		"grey in colour":       {m: colourHalves(white, black), inside: 255},
		"labelme":              {m: palettedHalves(1, 0, black, maroon, green), inside: 255, note: "colours black and #800000"},
		"labelme, classes":     {m: withPixel(palettedHalves(1, 0, black, maroon, green), green), problem: "pass --mask-values"},
		"labelme, index":       {m: withPixel(palettedHalves(1, 0, black, maroon, green), green), values: "1", inside: 255},
		"palette 0 and 255":    {m: palettedHalves(1, 0, black, white), inside: 255},
		"palette of greys":     {m: palettedHalves(1, 0, color.NRGBA{A: 255}, color.NRGBA{1, 1, 1, 255}), inside: 255, note: "values 0 and 1"},
		"channel index":        {m: palettedHalves(1, 2, black, black, white), channel: ChannelIndex, values: "1", inside: 255},
		"channel red":          {m: colourHalves(red, green), channel: ChannelRed, inside: 255},
		"hole":                 {m: colourHalves(transparent, black), problem: "its colour is constant and its alpha varies: pass --mask-channel alpha"},
		"alpha":                {m: colourHalves(white, color.NRGBA{255, 255, 255, 0}), channel: ChannelAlpha, inside: 255},
		"white on transparent": {m: colourHalves(white, transparent), inside: 255},
		"hidden marks":         {m: colourHalves(color.NRGBA{255, 255, 255, 0}, black), problem: "it marks pixels that are transparent"},
		"no alpha":             {m: greyHalves(255, 0), channel: ChannelAlpha, problem: "it has no alpha"},
		"JPEG":                 {m: greyHalves(255, 0), asJPEG: true, inside: 255},
		"JPEG, 0 and 1":        {m: greyHalves(1, 0), asJPEG: true, problem: "its values go up to 1 only"},
		"JPEG, red":            {m: colourHalves(red, black), asJPEG: true, problem: "pass --mask-values"},
	} {
		values, err := ParseValues(c.values)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "mask.png")
		save(t, path, c.m, c.asJPEG)
		mask, note, err := ReadMask(t.Context(), path, picture.Limits{}, MaskRule{Channel: c.channel, Values: values})
		if c.problem != "" {
			bad := (*MaskError)(nil)
			if !errors.As(err, &bad) || bad.File != path || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: error %v, expected one with %q", name, err, c.problem)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.note == "" && note != "" || !strings.Contains(note, c.note) {
			t.Errorf("%s: note %q, expected %q", name, note, c.note)
		}
		in, out := mask.Pix[2], mask.Pix[15]
		if c.asJPEG { // rounded
			in, out = in/250*255, out/128*255
		}
		if in != c.inside || out != c.outside {
			t.Errorf("%s: %d inside and %d outside, expected %d and %d", name, in, out, c.inside, c.outside)
		}
	}
}

func save(t *testing.T, path string, m image.Image, asJPEG bool) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if asJPEG {
		err = jpeg.Encode(file, m, &jpeg.Options{Quality: 95})
	} else {
		err = png.Encode(file, m)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestParseValues(t *testing.T) {
	for _, bad := range []string{"x", "-1", "5-3", "70000", "#ff00", "#ff0000,1", "1,,2"} {
		if v, err := ParseValues(bad); err == nil {
			t.Errorf("%q is read as %v", bad, v)
		}
	}
	v, err := ParseValues(" 1, 128-255 ")
	if err != nil {
		t.Fatal(err)
	}
	for level, want := range map[uint16]bool{0: false, 1: true, 2: false, 127: false, 128: true, 255: true, 256: false} {
		if v.level(level) != want {
			t.Errorf("level %d: %t, expected %t", level, !want, want)
		}
	}
}

// A mask's decoding stops with its context, and the survey does not take that for a bad mask.
func TestReadMaskCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "mask.png")
	save(t, path, image.NewGray(image.Rect(0, 0, 40, 30)), false)
	if _, _, err := ReadMask(ctx, path, picture.Limits{}, MaskRule{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected that the context was cancelled", err)
	}
}
