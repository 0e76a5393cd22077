package browser

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/serve"
)

// shot is the file to write a screenshot of the page to: go test ./internal/serve/browser -run
// EmbeddedModel -shot docs/page.jpg
var shot = flag.String("shot", "", "write a picture of the page with the bundled sample to this file, from the module's root")

// With the embedded model, the page and the library have the same result for the bundled sample.
func TestEmbeddedModel(t *testing.T) {
	chromium(t)
	model, err := localize.Open("lite", localize.Options{Library: enginetest.Library(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	decoded, err := picture.Decode(readSample(t), picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := model.Localize(context.Background(), decoded)
	if err != nil {
		t.Fatal(err)
	}
	url, _ := listen(t, testConfig(), serve.Model{Name: "lite", Description: "the embedded model", Localizer: model, Measured: &serve.Measured{
		Threshold: 0.5, Pictures: "photographs that the model never saw, and pictures that \"declip forge\" made from them",
		Untouched: serve.Grades{None: 181, Faint: 0, Some: 7, Clear: 4}, Forged: serve.Grades{None: 125, Faint: 1, Some: 76, Clear: 198}, // as docs/page.md
	}})
	b := open(t, url, desktop)
	b.choose(sample)
	b.until(shown)
	if *shot != "" {
		b.photograph(filepath.Join(root, *shot))
	}
	var got struct {
		Model   string
		Score   float64
		Regions []struct{ Area int }
	}
	if err := json.Unmarshal(b.download("#save-json", "forged.declip.json"), &got); err != nil {
		t.Fatal(err)
	}
	if got.Model != "lite" || got.Score < want.Score-1e-5 || got.Score > want.Score+1e-5 || len(got.Regions) != len(want.Regions) {
		t.Errorf("the page has %+v, the library a score of %g and %d regions", got, want.Score, len(want.Regions))
	}
	for i, r := range got.Regions {
		if r.Area != want.Regions[i].Area {
			t.Errorf("region %d has %d pixels, expected %d", i, r.Area, want.Regions[i].Area)
		}
	}
}

// photograph writes a screenshot of the window as a JPEG file.
func (b *tab) photograph(path string) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(1280, 890))
	b.picture("pane-map") // waits for the frames
	data, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(88))
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
