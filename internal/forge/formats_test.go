package forge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// A seed draws what it drew before there were formats to choose from, with and without histories.
// The digests are those of the manifests at that time, without the measured shares.
func TestDrawsOfEarlierVersions(t *testing.T) {
	photos := photoFolder(t, 4)
	for histories, want := range map[bool]string{
		false: "a9c66e3b1cb6c182",
		true:  "e2c3d5d6d47d136d",
	} {
		c := testConfig(t, photos)
		c.Histories, c.Count = histories, 28
		mustRun(t, c)
		digest := sha256.New()
		for _, e := range entries(t, c.Out) {
			e.Share = 0
			if err := json.NewEncoder(digest).Encode(e); err != nil {
				t.Fatal(err)
			}
		}
		if got := hex.EncodeToString(digest.Sum(nil)[:8]); got != want {
			t.Errorf("histories %v: digest of the manifest %s, expected %s", histories, got, want)
		}
	}
}

// The usual formats in any order are the usual formats.
func TestChoice(t *testing.T) {
	for _, c := range []struct{ formats, want []string }{
		{[]string{FormatPNG, FormatJPEG}, nil},
		{[]string{FormatPNG}, []string{FormatPNG}},
		{[]string{FormatAVIF, FormatWebP, FormatJPEG}, []string{FormatJPEG, FormatWebP, FormatAVIF}},
	} {
		if got := choice(c.formats); !slices.Equal(got, c.want) {
			t.Errorf("%v gives %v, expected %v", c.formats, got, c.want)
		}
	}
}

// Files are in the format that the manifest says, of the mask's size, and the same for any number
// of workers.
func TestFormats(t *testing.T) {
	c := testConfig(t, photoFolder(t, 4))
	c.Formats, c.Count, c.Workers = Formats(), 40, 1
	mustRun(t, c)
	files := tree(t, c.Out)
	seen, lossless := map[string]int{}, 0
	for _, e := range entries(t, c.Out) {
		seen[e.Format]++
		p, err := picture.Decode(files[e.Image], picture.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", e.Image, err)
		}
		mask, err := picture.DecodeGray(files[e.Mask], picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if p.Format != e.Format || filepath.Ext(e.Image) != extension(e.Format) || p.Width != mask.Width || p.Height != mask.Height || p.Width != e.Width {
			t.Errorf("%s: %s of %d x %d pixels, mask of %d x %d; the manifest says %s", e.Image, p.Format, p.Width, p.Height, mask.Width, mask.Height, e.Format)
		}
		checkMask(t, e, mask)
		least, most := qualities(e)
		if e.Quality < least || e.Quality > most {
			t.Errorf("%s: quality %d, expected %d to %d", e.Image, e.Quality, least, most)
		}
		if e.Lossless {
			lossless++
		}
		if isLossless := bytes.HasPrefix(files[e.Image][12:], []byte("VP8L")); isLossless != e.Lossless {
			t.Errorf("%s: lossless %v, the manifest says %v", e.Image, isLossless, e.Lossless)
		}
	}
	if len(seen) != len(formats) || lossless == 0 {
		t.Errorf("made %v, %d of them WebP without loss; expected some of each", seen, lossless)
	}
	c.Out, c.Workers = filepath.Join(t.TempDir(), "again"), 4
	mustRun(t, c)
	for name, data := range tree(t, c.Out) {
		if !bytes.Equal(data, files[name]) {
			t.Errorf("%s differs between 1 and 4 workers", name)
		}
	}
}

// qualities are those that a file without a history may have.
func qualities(e Entry) (least, most int) {
	switch {
	case e.Format == FormatPNG || e.Lossless:
		return 0, 0
	case e.Format == FormatWebP:
		return webpLow, webpHigh
	case e.Format == FormatAVIF:
		return avifLow, avifHigh
	}
	return 75, 100
}

// With histories, hosts, donors and results were WebP and AVIF files and came from a service, and
// the last step is the one that wrote the file.
func TestHistoriesWithFormats(t *testing.T) {
	c := testConfig(t, photoFolder(t, 4))
	c.Histories, c.Formats = true, Formats()
	f, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for i := range uint64(60) {
		s, err := f.Make(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		kinds := func(where string, steps []Treatment) (names []string) {
			for _, step := range steps {
				counts[where+" "+step.Kind]++
				names = append(names, step.Kind)
			}
			return names
		}
		kinds("host", s.History.Before)
		kinds("donor", s.History.Donor)
		after := kinds("result", s.History.After)
		checkLast(t, s, after)
		if served := slices.Contains(after, servedAsWebP); served && s.Format == FormatJPEG {
			counts["saved again as JPEG"]++
		}
	}
	for _, want := range []string{
		"host webp", "host avif", "host platform-webp", "host table", "donor webp",
		"result webp", "result avif", "result platform-webp", "result table", "result platform", "result resize", "saved again as JPEG",
	} {
		if counts[want] == 0 {
			t.Errorf("no picture has %q: %v", want, counts)
		}
	}
}

// checkLast compares the file of a sample and its quality with the last step after the
// manipulation.
func checkLast(t *testing.T, s Sample, after []string) {
	t.Helper()
	may := map[string][]string{
		FormatJPEG: {savedAs, uploaded}, FormatPNG: {"", servedAsWebP}, FormatWebP: {savedAsWebP, servedAsWebP, ""}, FormatAVIF: {savedAsAVIF},
	}
	last, value := "", 0.0
	if n := len(after); n > 0 {
		last, value = after[n-1], s.History.After[n-1].Value
	}
	if !slices.Contains(may[s.Format], last) || s.Lossless != (s.Format == FormatWebP && last == "") {
		t.Errorf("%s: a %s file (lossless: %v) after %q", s.Name, s.Format, s.Lossless, after)
	}
	if web := s.Format == FormatWebP || s.Format == FormatAVIF; web && !s.Lossless && float64(s.Quality) != value || !web && s.Quality != 0 {
		t.Errorf("%s: a %s file of quality %d after %v", s.Name, s.Format, s.Quality, s.History.After)
	}
	if s.Mask.Width != s.Picture.Width || s.Mask.Height != s.Picture.Height {
		t.Errorf("%s: the mask has another size than the picture", s.Name)
	}
	if s.Format == FormatPNG {
		if s.encoded != nil {
			t.Errorf("%s: a PNG file of another encoder", s.Name)
		}
		return
	}
	p, err := picture.Decode(s.encoded, picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Format != s.Format || !bytes.Equal(p.Pix, s.Picture.Pix) {
		t.Errorf("%s: the file is %s with other pixels than the sample's %s", s.Name, p.Format, s.Format)
	}
}

// A service gives out large pictures at 1600 pixels, with a mask of that size.
func TestService(t *testing.T) {
	for _, size := range [][2]int{{1900, 700}, {611, 1711}} {
		s := Sample{Picture: texture(size[0], size[1], 4), Mask: picture.NewGray(size[0], size[1])}
		for i := range s.Mask.Pix {
			if i%size[0] < size[0]/3 {
				s.Mask.Pix[i] = 255
			}
		}
		if err := newDice(1, 1).throughService(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
		p, err := picture.Decode(s.encoded, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if max(p.Width, p.Height) != serviceSide || p.Format != FormatWebP || s.Mask.Width != p.Width || s.Mask.Height != p.Height {
			t.Errorf("%v: %s of %d x %d pixels, mask of %d x %d", size, p.Format, p.Width, p.Height, s.Mask.Width, s.Mask.Height)
		}
		if got := share(s.Mask); got < 0.3 || got > 0.36 {
			t.Errorf("%v: the mask covers %.2f, expected a third", size, got)
		}
		last := s.History.After[len(s.History.After)-1]
		if last.Kind != servedAsWebP || last.Value < serviceLow || last.Value > serviceHigh {
			t.Errorf("%v: history %v", size, s.History.After)
		}
	}
}

func TestFormatsRefused(t *testing.T) {
	photos := photoFolder(t, 2)
	for want, change := range map[string]func(*Config){
		"no file format given":                 func(c *Config) { c.Formats = nil },
		`file format "bmp" is unknown`:         func(c *Config) { c.Formats = []string{"bmp"} },
		`file format "webp" is given twice`:    func(c *Config) { c.Formats = []string{"webp", "webp"} },
		"expected at most 12602 with the file": func(c *Config) { c.Formats, c.SizeMax = []string{"webp"}, 13000 },
	} {
		c := testConfig(t, photos)
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected one with %q", err, want)
		}
	}
}

// An encoder ends with the context.
func TestFormatsStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, format := range []string{FormatWebP, FormatAVIF} {
		s := Sample{Picture: texture(64, 64, 1), Mask: picture.NewGray(64, 64)}
		if _, err := newDice(1, 2).storeAs(ctx, &s, format); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, expected %v", format, err, context.Canceled)
		}
	}
}

// Varied pictures are in the chosen formats. Screenshots are PNG files most often, if those are
// among them.
func TestVaryFormats(t *testing.T) {
	photos := photoFolder(t, 3)
	made := func(copies int, formats []string, kinds ...string) map[string]int {
		t.Helper()
		c := DefaultVaryConfig()
		c.Photos, c.Out, c.Copies, c.Kinds, c.Formats = photos, filepath.Join(t.TempDir(), "out"), copies, kinds, formats
		if _, err := Vary(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		counts := map[string]int{}
		for name, data := range contents(t, c.Out) {
			if filepath.Ext(name) == ".json" {
				continue
			}
			p, err := picture.Decode([]byte(data), picture.Limits{})
			if err != nil || extension(p.Format) != filepath.Ext(name) {
				t.Fatalf("%s: %v, %v", name, p, err)
			}
			counts[p.Format]++
		}
		return counts
	}
	if got := made(6, Formats()); len(got) < 3 || got[FormatWebP] == 0 || got[FormatAVIF] == 0 {
		t.Errorf("of all formats: %v", got)
	}
	if got := made(1, []string{FormatPNG}); got[FormatPNG] != 3 {
		t.Errorf("of PNG alone: %v", got)
	}
	if got := made(1, []string{FormatWebP}, KindScreenshot); got[FormatWebP] != 3 {
		t.Errorf("of WebP alone, screenshots: %v", got)
	}
	if got := made(4, []string{FormatPNG, FormatWebP}, KindScreenshot); got[FormatPNG] < 6 || got[FormatWebP] == 0 {
		t.Errorf("of PNG and WebP, screenshots: %v", got)
	}
	c := DefaultVaryConfig()
	c.Photos, c.Out, c.Formats = photos, filepath.Join(t.TempDir(), "out"), []string{"tiff"}
	if _, err := Vary(t.Context(), c); err == nil || !strings.Contains(err.Error(), `file format "tiff" is unknown`) {
		t.Errorf("error %v, expected one that names the unknown format", err)
	}
}
