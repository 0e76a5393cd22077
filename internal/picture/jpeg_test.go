package picture

import (
	"bytes"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture/jpeg"
)

// The limit on pixels is checked against the header; the decoder must not find another size after
// it.
func FuzzJPEGSize(f *testing.F) {
	for name, data := range golden(f) {
		if len(data) < 2000 && strings.HasSuffix(name, ".jpg") {
			f.Add(data)
		}
	}
	// A second, larger header: in a comment, behind the first, and behind the scan.
	small := golden(f)["444-4x4.jpg"]
	large := []byte("\xff\xc0\x00\x0b\x08\x00\xff\x00\xff\x01\x01\x11\x00")
	frame := bytes.Index(small, []byte{0xff, 0xc0})
	if frame < 0 {
		f.Fatal("the golden file has no frame header")
	}
	comment := append([]byte("\xff\xfe\x00\x0f"), large...)
	for _, insert := range [][]byte{large, comment, append([]byte{0xff}, large...)} {
		for _, at := range []int{2, frame, len(small) - 2} {
			f.Add(bytes.Join([][]byte{small[:at], insert, small[at:]}, nil))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 || data[0] != 0xff || data[1] != 0xd8 {
			return
		}
		file, err := jpeg.Open(data)
		if err != nil {
			return
		}
		w, h := file.Size()
		if w*h > 1<<16 {
			return
		}
		if m, err := file.Decode(); err == nil && (m.Width != w || m.Height != h || m.Planes[0].Width > w || len(m.Planes[0].Pix) < w*h/64) {
			t.Fatalf("the header says %d x %d, decoded were %d x %d", w, h, m.Width, m.Height)
		}
	})
}
