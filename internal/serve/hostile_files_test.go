package serve

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
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

const target = "/v1/localize"

// posted is a request to localize a body.
func posted(name string, body []byte, headers ...string) hostile {
	return hostile{name: name, raw: rawRequest("POST", target, body, headers...)}
}

// hostileFiles are bodies that are not pictures, or pictures that must be refused.
func hostileFiles(t *testing.T) []hostile {
	var list []hostile
	for name, text := range map[string]string{
		"nothing": "", "one byte": "\xff", "text": "hello", "HTML": "<!doctype html><script>alert(1)</script>", "JSON": `{"image":"/etc/passwd"}`,
		"a path": "/etc/passwd", "a URL": "http://127.0.0.1/", "file URL": "file:///etc/passwd", "SVG": "<svg xmlns='http://www.w3.org/2000/svg'/>",
		"XML bomb": "<!DOCTYPE b [<!ENTITY a 'aaa'><!ENTITY b '&a;&a;'>]><b>&b;</b>", "shell": "#!/bin/sh\nrm -rf /\n", "PDF": "%PDF-1.7\n",
		"zip": "PK\x03\x04\x14\x00", "gzip": "\x1f\x8b\x08\x00\x00\x00", "ELF": "\x7fELF\x02\x01\x01", "EXE": "MZ\x90\x00\x03", "AVIF": "\x00\x00\x00\x20ftypavif\x00",
		"HEIC": "\x00\x00\x00\x20ftypheic\x00", "MP4": "\x00\x00\x00\x20ftypisom\x00", "JPEG XL": "\xff\x0a\x00", "JPEG 2000": "\x00\x00\x00\x0cjP  \r\n",
		"Photoshop": "8BPS\x00\x01", "zeros": strings.Repeat("\x00", 5000), "ones": strings.Repeat("\xff", 5000), "UTF-16": "\xff\xfeh\x00e\x00",
		"a data URL": "data:image/png;base64,iVBORw0KGgo=", "base64": "iVBORw0KGgoAAAANSUhEUgAA", "pickle": "\x80\x02}q\x00.", "PPM": "P6\n1 1\n255\n\x00",
		"icon": "\x00\x00\x01\x00\x01\x00\x10\x10",
	} {
		list = append(list, posted("file: "+name, []byte(text)))
	}
	noise := make([]byte, 3000)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	for name, magic := range map[string]string{
		"jpeg": "\xff\xd8\xff\xe0", "png": "\x89PNG\r\n\x1a\n", "gif": "GIF89a", "webp": "RIFF\x10\x00\x00\x00WEBPVP8 ", "tiff": "II*\x00\x08\x00\x00\x00", "bmp": "BM\x36\x00\x00\x00\x00\x00\x00\x00",
	} {
		list = append(list,
			posted(name+": its first bytes alone", []byte(magic)),
			posted(name+": first bytes, then noise", append([]byte(magic), noise...)),
			posted(name+": first bytes, then zeros", append([]byte(magic), make([]byte, 3000)...)),
			posted(name+": first bytes, then HTML", []byte(magic+strings.Repeat("<html>", 100))))
	}
	list = append(list, hostileSizes()...)
	return append(list, hostileCuts(t)...)
}

// hostileSizes are headers of a few bytes that announce large pictures.
func hostileSizes() []hostile {
	list := []hostile{
		posted("gif: 65535 x 65535", []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x00;")),
		posted("gif: 0 x 0", []byte("GIF89a\x00\x00\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00;")),
		posted("webp: canvas of 16777216 x 16777216", []byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff")),
		posted("webp: lossless of 16384 x 16384", []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\xff\xff\xff\x0f\x00\x00\x00\x00\x00\x00\x00\x00\x00")),
	}
	for _, s := range [][2]uint32{{60000, 60000}, {1<<31 - 1, 1}, {1, 1<<31 - 1}, {1<<31 - 1, 1<<31 - 1}, {0, 0}, {0, 100}, {1 << 31, 10}, {1025, 1024}} {
		list = append(list, posted(fmt.Sprintf("png: %d x %d", s[0], s[1]), hugePNG(s[0], s[1], 8)))
	}
	for _, depth := range []byte{0, 3, 32, 255} {
		list = append(list, posted(fmt.Sprintf("png: depth %d", depth), hugePNG(10, 10, depth)))
	}
	for _, s := range [][2]int32{{1<<31 - 1, 1<<31 - 1}, {-5, 5}, {50000, 50000}, {0, 5}, {50000, -50000}} {
		list = append(list, posted(fmt.Sprintf("bmp: %d x %d", s[0], s[1]), hugeBMP(s[0], s[1])))
	}
	for _, s := range [][2]uint16{{65535, 65535}, {65535, 17}, {0, 10}, {10, 0}} {
		list = append(list, posted(fmt.Sprintf("jpeg: %d x %d", s[0], s[1]), hugeJPEG(s[0], s[1])))
	}
	for _, s := range [][2]uint32{{1<<32 - 1, 1<<32 - 1}, {100000, 100000}, {0, 0}} {
		list = append(list, posted(fmt.Sprintf("tiff: %d x %d", s[0], s[1]), hugeTIFF(s[0], s[1], 1)))
	}
	return append(list, posted("tiff: a list of 4294967295 offsets", hugeTIFF(10, 10, 1<<32-1)))
}

func hugePNG(w, h uint32, depth byte) []byte {
	ihdr := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	ihdr = append(ihdr, depth, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, ihdr...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(ihdr))
	return append(b, "\x00\x00\x00\x00IEND\xaeB`\x82"...)
}

func hugeBMP(w, h int32) []byte {
	b := append([]byte("BM"), make([]byte, 52)...)
	binary.LittleEndian.PutUint32(b[10:], 54)
	binary.LittleEndian.PutUint32(b[14:], 40)
	binary.LittleEndian.PutUint32(b[18:], uint32(w))
	binary.LittleEndian.PutUint32(b[22:], uint32(h))
	b[26], b[28] = 1, 24
	return b
}

func hugeJPEG(w, h uint16) []byte {
	b := []byte("\xff\xd8\xff\xc0\x00\x11\x08")
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, h), w)
	b = append(b, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0)
	return append(b, "\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00\xff\xd9"...)
}

func hugeTIFF(w, h, strips uint32) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00\x05\x00")
	for _, entry := range [][3]uint32{{0x100, 1, w}, {0x101, 1, h}, {0x102, 1, 8}, {0x106, 1, 1}, {0x111, strips, 8}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(entry[0]))
		b = binary.LittleEndian.AppendUint16(b, 4)
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, entry[1]), entry[2])
	}
	return append(b, 0, 0, 0, 0)
}

// hostileCuts are good pictures that are truncated or damaged.
func hostileCuts(t *testing.T) []hostile {
	var list []hostile
	m := image.NewPaletted(image.Rect(0, 0, 48, 32), color.Palette{color.Black, color.White, color.Gray{90}, color.Gray{40}})
	for i := range m.Pix {
		m.Pix[i] = uint8(rand.New(rand.NewPCG(uint64(i), 7)).IntN(4))
	}
	encoded := map[string][]byte{}
	for name, encode := range map[string]func(*bytes.Buffer) error{
		"png":  func(b *bytes.Buffer) error { return png.Encode(b, m) },
		"jpeg": func(b *bytes.Buffer) error { return jpeg.Encode(b, m, nil) },
		"gif":  func(b *bytes.Buffer) error { return gif.Encode(b, m, nil) },
		"bmp":  func(b *bytes.Buffer) error { return bmp.Encode(b, m) },
		"tiff": func(b *bytes.Buffer) error { return tiff.Encode(b, m, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		encoded[name] = b.Bytes()
	}
	for name, data := range encoded {
		for _, percent := range []int{2, 5, 10, 20, 40, 60, 80} {
			list = append(list, posted(fmt.Sprintf("%s: %d %% of it", name, percent), data[:len(data)*percent/100]))
		}
	}
	for _, at := range []int{17, 24, 29, 30} { // size, depth and checksum of the header
		damaged := slices.Clone(encoded["png"])
		damaged[at] ^= 0x55
		list = append(list, posted(fmt.Sprintf("png: byte %d is changed", at), damaged))
	}
	swapped := bytes.Replace(slices.Clone(encoded["png"]), []byte("IDAT"), []byte("IDAX"), 1)
	return append(list, posted("png: no pixels", swapped), posted("a picture behind a line of text", append([]byte("hello\n"), encoded["png"]...)))
}
