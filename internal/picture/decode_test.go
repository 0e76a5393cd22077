package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture/jpeg"
)

// golden gives the bytes of every golden picture file, by name.
func golden(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/decode/*.*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		if all[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestDecodeTruncated(t *testing.T) {
	for name, data := range golden(t) {
		if name == "animated.gif" || name == "orientation6.webp" {
			continue // what is behind the first frame is not needed
		}
		for _, share := range []int{2, 30, 50, 70, 90} {
			cut := len(data) * share / 100
			if strings.HasSuffix(name, ".png") && cut >= len(data)-12 {
				continue // only the end chunk is cut, which holds nothing
			}
			_, err := Decode(data[:cut], Limits{})
			if err == nil {
				t.Errorf("%s cut to %d %% is decoded", name, share)
			} else if cut > 40 && !errors.Is(err, ErrTruncated) {
				t.Errorf("%s cut to %d %%: %q does not say so", name, share, err)
			}
		}
	}
}

// TestDecodeCutAnywhere goes through every length: an error or, close to the
// end, a picture, never a panic.
func TestDecodeCutAnywhere(t *testing.T) {
	for name, data := range golden(t) {
		if len(data) > 1500 {
			continue
		}
		for cut := range data {
			_, err := Decode(data[:cut], Limits{})
			if err != nil && strings.Contains(err.Error(), "gave up") {
				t.Fatalf("%s cut to %d bytes: %v", name, cut, err)
			}
		}
	}
}

// hugePNG is a PNG header of the given size with an empty data chunk.
func hugePNG(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		body := append([]byte(kind), data...)
		b = append(b, body...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(nil, w)
	chunk("IHDR", append(binary.BigEndian.AppendUint32(head, h), 8, 2, 0, 0, 0))
	chunk("IDAT", nil)
	chunk("IEND", nil)
	return b
}

func TestDecodeRefusesHugeHeaders(t *testing.T) {
	jpeg := []byte("\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00")
	gif := []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x00\x3b")
	webp := []byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\xff\x7f\x00")
	bmp := append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x60\xea\x00\x00\x60\xea\x00\x00\x01\x00\x18\x00"), make([]byte, 24)...)
	tiff := []byte("II*\x00\x08\x00\x00\x00\x03\x00")
	for _, tag := range [][2]uint32{{0x100, 60000}, {0x101, 60000}, {0x106, 1}} {
		tiff = binary.LittleEndian.AppendUint16(tiff, uint16(tag[0]))
		tiff = binary.LittleEndian.AppendUint16(tiff, 4)
		tiff = binary.LittleEndian.AppendUint32(tiff, 1)
		tiff = binary.LittleEndian.AppendUint32(tiff, tag[1])
	}
	tiff = append(tiff, 0, 0, 0, 0)
	for name, data := range map[string][]byte{
		"png": hugePNG(60000, 60000), "wide.png": hugePNG(1<<31-1, 1<<31-1),
		"jpeg": jpeg, "gif": gif, "webp": webp, "bmp": bmp, "tiff": tiff,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(data, Limits{})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
		// Nothing in proportion to the pixels: readers take a few kilobytes.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<18 {
			t.Errorf("%s: %d bytes were taken before the refusal", name, grown)
		}
	}
	_, err := Decode(hugePNG(60000, 60000), Limits{})
	if err == nil || !strings.Contains(err.Error(), "60000 x 60000") || !strings.Contains(err.Error(), "100.0 MP") {
		t.Errorf("%v does not name the size and the limit", err)
	}
	// Within the limit but impossible in so few bytes.
	if _, err := Decode(hugePNG(9000, 9000), Limits{}); !errors.Is(err, ErrTruncated) {
		t.Errorf("%v, want ErrTruncated", err)
	}
}

func TestDecodeLimit(t *testing.T) {
	data, err := EncodePNG(noise(20, 10, 1), Fast)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(data, Limits{MaxPixels: 200}); err != nil {
		t.Errorf("a picture at the limit is refused: %v", err)
	}
	if _, err := Decode(data, Limits{MaxPixels: 199}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		path string
		is   error
		says string
	}{
		{write("empty.jpg", ""), ErrEmpty, "empty.jpg: file is empty"},
		{write("text.png", "just some words\n"), ErrFormat, "it is text"},
		{write("binary.png", "\x01\x02\x03\x04\x00\x00"), ErrFormat, "binary.png"},
		{write("photo.heic", "\x00\x00\x00\x10ftypheic\x00\x00\x00\x00"), nil, "heic: cannot be decoded: no box"},
		{write("video.mp4", "\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"), ErrFormat, "video"},
		{os.DevNull, nil, "not a regular file"}, // as a pipe, which would be waited for
		{write("short.png", "\x89PNG\r\n\x1a\n"), ErrTruncated, "truncated"},
		{write("short.jpg", "\xff\xd8\xff\xe0"), ErrTruncated, "truncated"},
		{write("header.bmp", "BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00"), ErrTruncated, "truncated"},
		{filepath.Join(dir, "missing.png"), os.ErrNotExist, "missing.png"},
		{dir, nil, "is a directory, not a picture"},
	} {
		_, err := Open(c.path, Limits{})
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("Open(%s): %v, want %v saying %q", filepath.Base(c.path), err, c.is, c.says)
		}
		if _, gray := OpenGray(c.path, Limits{}); gray == nil || gray.Error() != err.Error() {
			t.Errorf("OpenGray(%s): %v, want what Open says: %v", filepath.Base(c.path), gray, err)
		}
	}
}

func TestOrientation(t *testing.T) {
	entry := func(order binary.ByteOrder, tag, kind uint16, count uint32, value uint16) []byte {
		b := make([]byte, 12)
		order.PutUint16(b, tag)
		order.PutUint16(b[2:], kind)
		order.PutUint32(b[4:], count)
		order.PutUint16(b[8:], value)
		return b
	}
	little := append([]byte("II*\x00\x08\x00\x00\x00\x01\x00"), entry(binary.LittleEndian, 274, 3, 1, 8)...)
	big := append([]byte("MM\x00*\x00\x00\x00\x08\x00\x02"), entry(binary.BigEndian, 271, 2, 1, 0)...)
	big = append(big, entry(binary.BigEndian, 274, 3, 1, 3)...)
	for _, c := range []struct {
		name string
		data []byte
		want int
	}{
		{"little endian", little, 8}, {"big endian, second entry", big, 3},
		{"nothing", nil, 1}, {"entries cut off", big[:20], 1},
		{"directory out of bounds", []byte("II*\x00\xff\xff\xff\xff\x01\x00"), 1},
		{"value out of range", append(bytes.Clone(little[:10]), entry(binary.LittleEndian, 274, 3, 1, 9)...), 1},
		{"of 32 bits", append(bytes.Clone(little[:10]), entry(binary.LittleEndian, 274, 4, 1, 6)...), 6},
		{"wrong type", append(bytes.Clone(little[:10]), entry(binary.LittleEndian, 274, 2, 1, 6)...), 1},
		{"two values", append(bytes.Clone(little[:10]), entry(binary.LittleEndian, 274, 3, 2, 6)...), 1},
	} {
		if got := tiffOrientation(c.data); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for name, data := range golden(f) {
		if len(data) < 2000 && !strings.HasSuffix(name, ".png.png") {
			f.Add(data)
		}
	}
	f.Add(hugePNG(60000, 60000))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Decode(data, Limits{MaxPixels: 1 << 16})
		if err != nil {
			return
		}
		if len(d.Pix) != 3*d.Width*d.Height || d.Width*d.Height > 1<<16 || d.Orientation < 1 || d.Orientation > 8 {
			t.Fatalf("%d x %d pixels in %d bytes, orientation %d", d.Width, d.Height, len(d.Pix), d.Orientation)
		}
	})
}

func FuzzOrientation(f *testing.F) {
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
	f.Add([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if v := tiffOrientation(data); v < 1 || v > 8 {
			t.Fatalf("orientation %d", v)
		}
		for _, format := range []string{"png", "webp"} {
			header{format: format}.orientation(data)
		}
		if f, err := jpeg.Open(data); err == nil {
			header{format: "jpeg", jpeg: f}.orientation(data)
		}
	})
}
