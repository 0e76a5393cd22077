package gif

import (
	"os"
	"path/filepath"
	"testing"
)

// seeds adds the small files of all kinds.
func seeds(f *testing.F) {
	f.Helper()
	n := 0
	for _, pattern := range []string{"cases/gif/*.gif", "cases/variants/*.gif", "golden/decode/*.gif"} {
		files, err := filepath.Glob("../testdata/" + pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 40_000 {
				f.Add(data)
				n++
			}
		}
	}
	if n == 0 {
		f.Fatal("no seeds")
	}
}

// Callers compare the size in the header with their limit; Decode must not find another one.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		width, height, err := ReadSize(data)
		if err != nil {
			if _, err := Decode(t.Context(), data); err == nil {
				t.Fatal("decoded without a header")
			}
			return
		}
		if width > 1<<16/height {
			return
		}
		m, err := Decode(t.Context(), data)
		if err != nil {
			return
		}
		if m.Width != width || m.Height != height || len(m.Pix) != m.Width*m.Height*m.Channels {
			t.Fatalf("%d x %d pixels in %d bytes, the header says %d x %d", m.Width, m.Height, len(m.Pix), width, height)
		}
	})
}
