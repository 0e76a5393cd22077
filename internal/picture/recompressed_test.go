package picture

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// segment is a segment of a JPEG file.
func segment(marker byte, body ...string) []byte {
	all := strings.Join(body, "")
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(all))), all...)
}

// resource is one of Photoshop's image resources.
func resource(id uint16, name, data string) string {
	b := append(binary.BigEndian.AppendUint16([]byte("8BIM"), id), byte(len(name)))
	b = append(b, name...)
	if len(name)%2 == 0 {
		b = append(b, 0)
	}
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
	if len(data)%2 == 1 {
		b = append(b, 0)
	}
	return string(b)
}

// record is one of IPTC's data sets.
func record(number byte, data string) string {
	return string(append(binary.BigEndian.AppendUint16([]byte{0x1c, 2, number}, uint16(len(data))), data...))
}

// exifSoftware is an EXIF segment's body that names a program.
func exifSoftware(name string) string {
	b := []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x31\x01\x02\x00")
	b = binary.LittleEndian.AppendUint32(b, uint32(len(name)+1))
	if len(name) < 4 {
		return string(append(append(b, name...), make([]byte, 8-len(name))...))
	}
	return string(append(append(binary.LittleEndian.AppendUint32(b, 26), 0, 0, 0, 0), name...)) + "\x00"
}

func TestRecompressed(t *testing.T) {
	plain, err := EncodeJPEG(NewRGB(16, 16), 90)
	if err != nil {
		t.Fatal(err)
	}
	photoshop := "Photoshop 3.0\x00"
	facebook := resource(0x0404, "", record(5, "title")+record(40, "FBMD0a000"))
	cases := []struct {
		name    string
		segment []byte
		want    string // in the warning; empty: there is none
	}{
		{"none", nil, ""},
		{"facebook", segment(0xed, photoshop, facebook), "Facebook or Instagram"},
		{"facebook, after another resource", segment(0xed, photoshop, resource(0x0425, "odd", "123"), facebook), "Facebook or Instagram"},
		{"other instructions", segment(0xed, photoshop, resource(0x0404, "", record(40, "see FBMD"))), ""},
		{"resource too long", segment(0xed, photoshop, facebook[:len(facebook)-3]), ""},
		{"data set too long", segment(0xed, photoshop, resource(0x0404, "", record(40, "FBMD")[:7])), ""},
		{"header of a resource only", segment(0xed, photoshop, "8BIM\x04\x04\xff"), ""},
		{"gd", segment(0xfe, "CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 82\n"), "GD library"},
		{"ebay", segment(0xfe, "Processed By eBay with ImageMagick"), "eBay"},
		{"ffmpeg", segment(0xfe, "Lavc58.54.100"), "FFmpeg"},
		{"another comment", segment(0xfe, "Made with care by a person"), ""},
		{"picasa", segment(0xe1, exifSoftware("Picasa")), "Google"},
		{"another program", segment(0xe1, exifSoftware("Picasa 4")), ""},
		{"a short name", segment(0xe1, exifSoftware("abc")), ""},
		{"a name beyond the end", segment(0xe1, strings.TrimSuffix(exifSoftware("Picasa"), "asa\x00")), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := Decode(slices.Concat(plain[:2], c.segment, plain[2:]), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.want == "" && len(p.Warnings) > 0:
				t.Errorf("warnings %q, expected none", p.Warnings)
			case c.want != "" && (len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], c.want) || !strings.Contains(p.Warnings[0], "traces")):
				t.Errorf("warnings %q, expected one about %s", p.Warnings, c.want)
			}
		})
	}
}

func FuzzInstructions(f *testing.F) {
	f.Add([]byte(resource(0x0425, "odd", "123") + resource(0x0404, "", record(5, "title")+record(40, "FBMD0a000"))))
	f.Add([]byte("8BIM\x04\x04\xff"))
	f.Fuzz(func(_ *testing.T, resources []byte) {
		instructions(resources)
		software(resources)
	})
}
