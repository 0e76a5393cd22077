package browser

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/serve"
)

// pages counts the pages of a PDF that Chromium has written.
func pages(pdf []byte) int {
	return len(regexp.MustCompile(`/Type\s*/Page\b[^s]`).FindAll(pdf, -1))
}

// prints prints the page on A4 and Letter, and fails unless each takes one sheet.
func (b *tab) prints(what string, show func()) {
	b.t.Helper()
	for name, paper := range map[string]chromedp.PaperSize{"A4": chromedp.PaperA4, "Letter": chromedp.PaperLetter} {
		show()
		pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(chromedp.PDFPaper(paper), chromedp.PDFPrintBackground(), chromedp.PDFPreferCSSPageSize()))
		if err != nil {
			b.t.Fatal(err)
		}
		if n := pages(pdf); n != 1 {
			b.t.Errorf("%s takes %d pages of %s, expected 1", what, n, name)
		}
	}
}

// askToPrint brings the page to the state in which a browser shows its print dialog.
func (b *tab) askToPrint() {
	b.t.Helper()
	value[bool](b, `(window.print = () => {}, true)`)
	b.click("#print-report")
	b.until(`!document.querySelector('#report').hidden`)
}

func TestReport(t *testing.T) {
	_, b := opened(t, desktop)
	b.set("threshold", 60)
	b.until(`document.querySelector('#threshold-now').textContent === '0.60'`)
	report := string(b.download("#save-report", "forged.report.html"))
	for _, want := range []string{
		"forged.jpg", fmt.Sprintf("%x", sha256.Sum256(readSample(t))), "declip v0-test", "spots: two spots, for tests", "0.60, set by hand",
		"This is not proof", "960 × 640 pixels, JPEG", "finds the same two spots", " UTC)", "upper left",
	} {
		if !strings.Contains(strings.ReplaceAll(report, "Finds", "finds"), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if regexp.MustCompile(`(src|href)="(https?:|/|assets)`).MatchString(report) {
		t.Error("the report refers to other files")
	}

	b.prints("the printed report", b.askToPrint)
	b.askToPrint()
	if report := value[int](b, `document.querySelectorAll('#report img').length`); report != 2 {
		t.Errorf("the printed report has %d pictures, expected 2", report)
	}
}

// The saved report opens without a server, shows its pictures and prints on one page.
func TestSavedReport(t *testing.T) {
	s, b := opened(t, desktop)
	path := write(t, "report.html", b.download("#save-report", "forged.report.html"))
	s.stop()
	b.run(chromedp.Navigate("file://" + path))
	if n := value[int](b, `[...document.images].filter((i) => i.complete && i.naturalWidth > 300).length`); n != 2 {
		t.Errorf("%d pictures are shown, expected 2", n)
	}
	if got := value[string](b, `getComputedStyle(document.querySelector('.report')).maxWidth`); got == "none" {
		t.Error("the report has no styles")
	}
	b.prints("the saved report", func() {})
}

// The report fits one page even with a very long name, a tall picture and many limits.
func TestReportOfATallPictureIsOnePage(t *testing.T) {
	limits := strings.Split(strings.Repeat("says little about pictures of this kind and that, as far as it is known;", 8), ";")[:8]
	url, _ := listen(t, testConfig(), serve.Model{Name: "spots", Description: strings.Repeat("a long description ", 6), KnownLimits: limits, Localizer: &spotter{strong: 0.95, weak: 0.62}})
	b := open(t, url, desktop)
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 300, 900))); err != nil {
		t.Fatal(err)
	}
	b.hand("drop", strings.Repeat("a-very-long-name-", 14)+".png", file.Bytes())
	b.until(shown)
	b.prints("the report of a tall picture", b.askToPrint)
}

func TestSavedFiles(t *testing.T) {
	s, b := opened(t, desktop)
	mask, err := png.Decode(bytes.NewReader(b.download("#save-mask", "forged.mask.png")))
	if err != nil {
		t.Fatal(err)
	}
	want := (&picture.Map{Prob: s.spots(960, 640), Width: 960, Height: 640}).Mask(0.5)
	gray, ok := mask.(*image.Gray)
	if !ok || !bytes.Equal(gray.Pix, want.Pix) {
		t.Error("the saved mask differs from that of declip localize")
	}
	overlay, err := png.Decode(bytes.NewReader(b.download("#save-overlay", "forged.overlay.png")))
	if err != nil {
		t.Fatal(err)
	}
	if got := overlay.Bounds().Size(); got != image.Pt(960, 640) {
		t.Errorf("the saved overlay has %v pixels, expected 960 x 640", got)
	}
	type result struct {
		Image     string
		SHA256    string
		Declip    string
		Threshold float64
		Fraction  float64 `json:"manipulated_fraction"`
		Regions   []struct{ Area int }
		Maps      any
	}
	read := func(data []byte) (r result) {
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := read(b.download("#save-json", "forged.declip.json"))
	if r.Image != "forged.jpg" || r.SHA256 != fmt.Sprintf("%x", sha256.Sum256(readSample(t))) || r.Declip != "v0-test" || r.Threshold != 0.5 || len(r.Regions) != 2 || r.Maps != nil {
		t.Errorf("the saved JSON is %+v", r)
	}
	b.set("threshold", 90)
	r = read(b.download("#save-json", "forged.declip.json"))
	if expected := s.fraction(960, 640, 0.9); r.Threshold != 0.9 || len(r.Regions) != 1 || r.Fraction < expected-0.001 || r.Fraction > expected+0.001 {
		t.Errorf("at threshold 0.9 the saved JSON is %+v, expected one region and a fraction of %.4f", r, expected)
	}
}

// The page finds the same parts in the 8-bit map as the server in the map itself.
func TestPartsMatchTheServer(t *testing.T) {
	_, b := opened(t, desktop)
	list := func() string { return b.text("#regions ol") }
	served := list()
	// The page uses the server's list only at the server's own threshold. 0.495 would round to the
	// same levels.
	value[bool](b, `(() => {
		const slider = document.querySelector('#threshold');
		slider.step = 'any';
		slider.value = 50.05;
		return slider.dispatchEvent(new Event('input', {bubbles: true}));
	})()`)
	b.until(`document.querySelector('#regions p').textContent.includes('that you set')`)
	if counted := list(); counted != served {
		t.Errorf("the page counts\n%s\nand the server\n%s", counted, served)
	}
}

// A noisy map has very many parts, which are counted correctly and with little memory.
func TestPartsOfANoisyMap(t *testing.T) {
	b := open(t, startServer(t, testConfig()).url, desktop)
	m := picture.NewGray(1500, 1000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		m.Pix[i] = uint8(random.UintN(256))
	}
	prob := make([]float32, len(m.Pix))
	for i, v := range m.Pix {
		prob[i] = float32(v) / 255
	}
	for _, threshold := range []float64{0.25, 0.58, 0.62, 0.9} {
		want := picture.Regions(&picture.Map{Prob: prob, Width: m.Width, Height: m.Height}, threshold, 150)
		got := value[[]struct{ Area int }](b, fmt.Sprintf(`import('%[1]sassets/js/regions.js').then(({findRegions}) => {
			const text = atob(%[2]q), data = new Uint8Array(text.length);
			for (let i = 0; i < data.length; i++) data[i] = text.charCodeAt(i);
			return findRegions({width: %[3]d, height: %[4]d, data}, %[5]g);
		})`, value[string](b, "location.href"), base64.StdEncoding.EncodeToString(m.Pix), m.Width, m.Height, threshold))
		if len(got) != len(want) {
			t.Errorf("at threshold %g %d parts are found, expected %d", threshold, len(got), len(want))
			continue
		}
		for i := range got {
			if got[i].Area != want[i].Area {
				t.Errorf("at threshold %g part %d has %d pixels, expected %d", threshold, i, got[i].Area, want[i].Area)
			}
		}
		t.Logf("threshold %g: %d parts", threshold, len(want))
	}
}
