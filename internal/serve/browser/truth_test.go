package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/declip/declip/internal/serve"
)

// The page shows the measured rates of the model with its verdict, or says that nothing was
// measured.
func TestRates(t *testing.T) {
	spots := &spotter{strong: 5, weak: 0.62}
	url, _ := listen(t, testConfig(),
		serve.Model{Name: "measured", Localizer: spots, Measured: &serve.Measured{
			Threshold: 0.5, Pictures: "pictures for tests", Untouched: serve.Grades{None: 46, Faint: 1, Some: 3, Clear: 2}, Forged: serve.Grades{None: 36, Faint: 6, Some: 8, Clear: 70},
		}},
		serve.Model{Name: "not-measured", Localizer: spots})
	b := open(t, url, desktop)
	b.choose(sample)
	b.until(shown)
	if got, want := b.text("#verdict"), "Measured for measured: 2 of 52 untouched and 70 of 120 forged pictures had this verdict (pictures for tests)."; !strings.Contains(got, want) {
		t.Errorf("the verdict says %q, expected %q in it", got, want)
	}
	if report := string(b.download("#save-report", "forged.report.html")); !strings.Contains(report, "2 of 52 untouched") {
		t.Error("the report has no rates")
	}
	b.choice("model", "not-measured")
	b.until(`document.querySelector('#verdict').textContent.includes('has not been measured for not-measured')`)
}

// A server that keeps pictures says so before one is sent.
func TestStorageIsSaid(t *testing.T) {
	for archive, want := range map[string]string{"": "which does not keep them", t.TempDir(): "which keeps each picture and its result"} {
		b := open(t, startServer(t, configured(func(c *serve.Config) { c.Archive = archive })).url, desktop)
		if got := b.text("#privacy"); !strings.Contains(got, want) {
			t.Errorf("with an archive at %q the page says %q, expected %q in it", archive, got, want)
		}
	}
}

// The page shows a model's confidence, its own score and whose weights it has.
func TestConfidenceAndLicence(t *testing.T) {
	url, _ := listen(t, testConfig(), serve.Model{
		Name: "sure", Localizer: &spotter{strong: 0.95, sure: true},
		Licence: &serve.Licence{Name: "for nonprofit use only", Attribution: "A. Author and others, 2023", URL: "https://example.org/licence"},
	}, serve.Model{Name: "spots", Localizer: &spotter{strong: 0.95}})
	b := open(t, url, desktop)
	b.choose(sample)
	b.until(shown)
	b.click("#about summary")
	about := b.text("#about")
	for _, want := range []string{"for nonprofit use only", "https://example.org/licence", "A. Author and others, 2023", "given by the network", "It is not the probability that the picture was manipulated."} {
		if !strings.Contains(about, want) {
			t.Errorf("the page says %q, expected %q in it", about, want)
		}
	}
	heat := b.picture("pane-map")
	b.run(chromedp.Focus(chromedp.CSS("#pane-map canvas")), chromedp.KeyEvent("5"))
	if !value[bool](b, `document.querySelector('input[value=confidence]').checked`) || b.picture("pane-map") == heat {
		t.Error("5 does not show the confidence")
	}
	if got := b.text("#legend"); !strings.Contains(value[string](b, `document.querySelector('#legend').textContent`), "confidence") {
		t.Errorf("the legend says %q", got)
	}
	b.choice("model", "spots")
	b.until(shown + ` && document.querySelector('#view-confidence').hidden && document.querySelector('input[value=heat]').checked`)
}

// The picture has the numbers of the parts that the list has.
func TestPartsAreNumbered(t *testing.T) {
	_, b := opened(t, desktop)
	numbered := b.picture("pane-map")
	value[bool](b, `(CanvasRenderingContext2D.prototype.fillText = () => {}, true)`)
	b.click("#zoom-in")
	b.click("#zoom-fit")
	if b.picture("pane-map") == numbered {
		t.Error("no numbers are drawn")
	}
}
