package browser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/declip/declip/internal/serve"
)

// axe is the source of axe-core, which make setup installs.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, ".cache", "webtools", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("axe-core is missing, run make setup: %v", err)
	}
	return string(source)
}

// accessible fails for everything that axe-core finds on the page as it is, in light and dark
// colours. It applies all of its rules, the experimental ones too.
func (b *tab) accessible(source, state string) {
	b.t.Helper()
	value[bool](b, source+`; true`)
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		found := value[[]string](b, `(async () => {
			const rules = Object.fromEntries(axe.getRules(['experimental']).map(({ruleId}) => [ruleId, {enabled: true}]));
			const {violations} = await axe.run(document, {rules, resultTypes: ['violations']});
			return violations.flatMap(({id, help, nodes}) => nodes.map(({target, failureSummary}) => id + ': ' + help + ': ' + target.join(' ') + ': ' + failureSummary));
		})()`)
		if len(found) > 0 {
			b.t.Errorf("%s, %s colours: %s", state, scheme, strings.Join(found, "\n"))
		}
	}
}

func TestAxe(t *testing.T) {
	source := axe(t)
	s := startServer(t, testConfig())
	b := open(t, s.url, desktop)
	b.accessible(source, "the start view")
	b.choose(sample)
	b.until(shown)
	b.click("#limits summary")
	b.click("#about summary")
	b.accessible(source, "a result")
	b.choose(write(t, "notes.txt", []byte("no picture")), sample)
	b.until(`document.querySelectorAll('.strip [class^=grade]').length === 2`)
	b.accessible(source, "three pictures")
	b.click(".strip li:nth-child(2) .open")
	b.until(wrong)
	b.accessible(source, "a file that is not a picture")
	b.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	b.accessible(source, "a phone")

	locked := open(t, startServer(t, configured(func(c *serve.Config) { c.Token = "let-me-in-please" })).url, desktop, "status of 401")
	locked.accessible(source, "the question for a token")
}

// The saved reports are accessible, too.
func TestAxeOfReports(t *testing.T) {
	source := axe(t)
	_, b := opened(t, desktop)
	b.choose(sample)
	b.until(`document.querySelectorAll('.strip [class^=grade]').length === 2`)
	one := write(t, "one.html", b.download("#save-report", "forged.report.html"))
	all := write(t, "all.html", b.download("#batch-report", "declip-report.html"))
	for _, path := range []string{one, all} {
		b.run(chromedp.Navigate("file://" + path))
		b.accessible(source, filepath.Base(path))
	}
}
