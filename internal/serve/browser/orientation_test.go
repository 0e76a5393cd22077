package browser

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

// upright maps a point of the stored picture to the upright one (Exif 2.3, tag 274). Coordinates
// are shares of width and height.
var upright = map[int]func(x, y float64) (float64, float64){
	1: func(x, y float64) (float64, float64) { return x, y },
	2: func(x, y float64) (float64, float64) { return 1 - x, y },
	3: func(x, y float64) (float64, float64) { return 1 - x, 1 - y },
	4: func(x, y float64) (float64, float64) { return x, 1 - y },
	5: func(x, y float64) (float64, float64) { return y, x },
	6: func(x, y float64) (float64, float64) { return 1 - y, x },
	7: func(x, y float64) (float64, float64) { return 1 - y, 1 - x },
	8: func(x, y float64) (float64, float64) { return y, 1 - x },
}

// quarters is a picture of 120 x 80 stored pixels with a colour in each quarter: red, green, and
// under them blue and black.
func quarters() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 120, 80))
	for y := range 80 {
		for x := range 120 {
			m.SetRGBA(x, y, []color.RGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {0, 0, 0, 255}}[x/60+2*(y/40)])
		}
	}
	return m
}

// exif is a TIFF structure with nothing but an orientation.
func exif(orientation int) []byte {
	return binary.BigEndian.AppendUint16([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01"), uint16(orientation))
}

func turnedJPEG(t *testing.T, orientation int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, quarters(), &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	tiff := append(exif(orientation), 0, 0, 0, 0, 0, 0)
	body := append([]byte("Exif\x00\x00"), tiff...)
	head := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xe1"), uint16(len(body)+2))
	return append(append(head, body...), b.Bytes()[2:]...)
}

func turnedPNG(t *testing.T, orientation int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, quarters()); err != nil {
		t.Fatal(err)
	}
	const header = 8 + 25 // signature and IHDR
	tiff := append(exif(orientation), 0, 0, 0, 0, 0, 0)
	chunk := append([]byte("eXIf"), tiff...)
	out := append([]byte{}, b.Bytes()[:header]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(tiff)))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, b.Bytes()[header:]...)
}

// at reads the colour that a pane shows at a point of the upright picture, given as shares of its
// sides.
func (b *tab) at(x, y, width, height float64) [3]int {
	b.t.Helper()
	return value[[3]int](b, fmt.Sprintf(`(() => {
		const data = %s, canvas = document.querySelector('#pane-map canvas');
		const scale = Math.min(canvas.width / %[2]g, canvas.height / %[3]g);
		const x = Math.round(canvas.width / 2 + (%[4]g - .5) * %[2]g * scale), y = Math.round(canvas.height / 2 + (%[5]g - .5) * %[3]g * scale);
		return [...data.slice(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 3)];
	})()`, pixels("pane-map"), width, height, x, y))
}

func near(got [3]int, want [3]int) bool {
	for i := range got {
		if got[i] < want[i]-40 || got[i] > want[i]+40 {
			return false
		}
	}
	return true
}

// Picture and map are shown upright, and match.
func TestOrientations(t *testing.T) {
	s := startServer(t, testConfig())
	files := map[string]int{}
	b := open(t, s.url, desktop)
	for orientation := 1; orientation <= 8; orientation++ {
		name := fmt.Sprintf("%d.jpg", orientation)
		files[name] = orientation
		b.hand("drop", name, turnedJPEG(t, orientation))
	}
	for _, orientation := range []int{3, 6} {
		name := fmt.Sprintf("%d.png", orientation)
		files[name] = orientation
		b.hand("drop", name, turnedPNG(t, orientation))
	}
	b.until(fmt.Sprintf(`document.querySelectorAll('.strip [class^=grade]').length === %d`, len(files)))
	for name, orientation := range files {
		b.click(fmt.Sprintf(".strip button[title='%s']", name))
		b.until(shown + fmt.Sprintf(` && document.title.startsWith('%s')`, name))
		width, height := 120.0, 80.0
		if orientation > 4 {
			width, height = height, width
		}
		b.click("input[value=original]")
		b.picture("pane-map")
		for i, want := range [][3]int{{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {0, 0, 0}} {
			x, y := upright[orientation](0.25+0.5*float64(i%2), 0.25+0.5*float64(i/2))
			if got := b.at(x, y, width, height); !near(got, want) {
				t.Errorf("%s: the picture is %v at %.2f, %.2f, expected %v", name, got, x, y, want)
			}
		}
		b.click("input[value=mask]")
		b.picture("pane-map")
		for _, p := range []struct {
			x, y float64
			want int
		}{{0.25, 0.3, 255}, {0.75, 0.7, 255}, {0.75, 0.3, 0}, {0.25, 0.7, 0}} {
			x, y := upright[orientation](p.x, p.y)
			if got := b.at(x, y, width, height); !near(got, [3]int{p.want, p.want, p.want}) {
				t.Errorf("%s: the mask is %v at %.2f, %.2f, expected %d", name, got, x, y, p.want)
			}
		}
	}
}
