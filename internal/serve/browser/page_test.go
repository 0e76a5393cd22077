package browser

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/declip/declip/internal/serve"
)

const (
	shown = `!document.querySelector('#panel').hidden && document.querySelectorAll('#regions li').length > 0`
	wrong = `document.querySelector('#over .card') !== null`
)

// opened is a page that shows the sample with two spots.
func opened(t *testing.T, window size) (*server, *tab) {
	t.Helper()
	s := startServer(t, testConfig())
	b := open(t, s.url, window)
	b.choose(sample)
	b.until(shown)
	return s, b
}

func TestSliders(t *testing.T) {
	_, b := opened(t, desktop)
	if got := b.text("#verdict"); !strings.Contains(got, "This is not proof.") || !strings.Contains(got, "traces") {
		t.Errorf("the verdict says %q", got)
	}
	first := b.picture("pane-map")
	if n := value[int](b, `document.querySelectorAll('#regions li').length`); n != 2 {
		t.Errorf("%d parts are listed at threshold 0.5, expected 2", n)
	}
	b.set("opacity", 20)
	if b.picture("pane-map") == first {
		t.Error("the picture is the same at another opacity")
	}
	b.set("opacity", 70)
	b.set("threshold", 90)
	b.until(`document.querySelectorAll('#regions li').length === 1`)
	strict := b.picture("pane-map")
	if strict == first {
		t.Error("the picture is the same at another threshold")
	}
	if got := b.text("#threshold-now"); got != "0.90" {
		t.Errorf("the threshold reads %q, expected 0.90", got)
	}
	b.click("#threshold-reset")
	b.until(`document.querySelectorAll('#regions li').length === 2`)
	if b.picture("pane-map") != first {
		t.Error("after a reset the picture differs from before")
	}
	b.set("threshold", 99)
	b.until(`document.querySelectorAll('#regions li').length === 0`)
}

func TestMaskFollowsTheThreshold(t *testing.T) {
	s, b := opened(t, desktop)
	b.click("input[value=mask]")
	for _, threshold := range []int{50, 30, 80} {
		b.set("threshold", threshold)
		b.picture("pane-map") // waits for the frame
		white := value[float64](b, `(() => {
			const data = `+pixels("pane-map")+`;
			let white = 0, all = 0;
			for (let i = 0; i < data.length; i += 4) { if (data[i + 3] === 255) { all++; white += data[i] / 255; } }
			return white / all;
		})()`)
		expected := s.fraction(960, 640, float64(threshold)/100)
		if math.Abs(white-expected) > 0.002 { // the picture is scaled to the pane
			t.Errorf("at threshold %d %% the mask is white on %.4f of the picture, expected %.4f", threshold, white, expected)
		}
	}
}

func TestViewsAndZoom(t *testing.T) {
	_, b := opened(t, desktop)
	seen := map[string]string{}
	for _, view := range []string{"original", "heat", "mask", "outline"} {
		b.click(fmt.Sprintf("input[value=%s]", view))
		picture := b.picture("pane-map")
		if other, twice := seen[picture]; twice {
			t.Errorf("the views %s and %s look the same", other, view)
		}
		seen[picture] = view
	}
	b.click("#side")
	b.click("input[value=original]")
	same := func(when string) string {
		left, right := b.picture("pane-original"), b.picture("pane-map")
		if left != right {
			t.Errorf("%s the two panes show different parts", when)
		}
		return left
	}
	before := same("side by side")
	b.click("#zoom-in")
	after := same("zoomed")
	if before == after {
		t.Error("zooming in changes nothing")
	}
	b.run(chromedp.MouseClickXY(300, 400), chromedp.DragAndDropXY(300, 400, 360, 430))
	if same("moved") == after {
		t.Error("dragging changes nothing")
	}
	b.click("#zoom-fit")
	if same("whole again") != before {
		t.Error("the whole picture differs from before")
	}
}

func TestKeyboard(t *testing.T) {
	_, b := opened(t, desktop)
	b.run(chromedp.Focus(chromedp.CSS("#pane-map canvas")))
	fit := b.picture("pane-map")
	press := func(keys, what string) {
		t.Helper()
		before := b.picture("pane-map")
		b.run(chromedp.KeyEvent(keys))
		if b.picture("pane-map") == before {
			t.Errorf("%s changes nothing", what)
		}
	}
	press("+", "plus")
	press("+", "plus")
	press(kb.ArrowRight, "the right arrow")
	press("-", "minus")
	press("3", "3")
	if !value[bool](b, `document.querySelector('input[value=mask]').checked`) {
		t.Error("3 does not switch to the mask")
	}
	press("2", "2")
	press("0", "0")
	if b.picture("pane-map") != fit {
		t.Error("0 does not fit the picture")
	}
	// Tab leads from the panes to the sliders, the parts and the report.
	for _, id := range []string{"opacity", "threshold"} {
		b.run(chromedp.KeyEvent(kb.Tab))
		if got := value[string](b, `document.activeElement.id`); got != id {
			t.Fatalf("Tab goes to %q, expected %s", got, id)
		}
	}
	press(kb.ArrowLeft, "the left arrow on the threshold")
	b.run(chromedp.KeyEvent(kb.Tab + kb.Tab)) // the reset button, then the first part
	b.until(`document.activeElement.matches('#regions li button')`)
	press(kb.Enter, "Enter on a part")
	b.run(chromedp.KeyEvent(kb.Tab + kb.Tab))
	if got := value[string](b, `document.activeElement.id`); got != "save-report" {
		t.Errorf("after the parts Tab goes to %q, expected save-report", got)
	}
	if width := value[string](b, `getComputedStyle(document.activeElement).outlineStyle`); width != "solid" {
		t.Errorf("the focus has an outline style %q, expected solid", width)
	}
}

func TestControlsHaveNames(t *testing.T) {
	_, b := opened(t, desktop)
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		role := strings.Trim(fmt.Sprint(string(node.Role.Value)), `"`)
		switch role {
		case "button", "slider", "radio", "combobox", "image", "img", "navigation", "region":
			found[role]++
			if node.Name == nil || strings.Trim(string(node.Name.Value), `"`) == "" {
				t.Errorf("a %s has no name", role)
			}
		}
	}
	if found["slider"] != 2 || found["radio"] != 4 || found["button"] < 8 || found["combobox"] != 1 {
		t.Errorf("unexpected controls: %v", found)
	}
	if got := b.text("#said"); !strings.Contains(got, "forged.jpg") {
		t.Errorf("a screen reader hears %q of the result", got)
	}
}

func TestRegionsAreHighlighted(t *testing.T) {
	_, b := opened(t, desktop)
	plain := b.picture("pane-map")
	b.run(chromedp.Focus(chromedp.CSS("#regions li:nth-child(2) button")))
	second := b.picture("pane-map")
	b.run(chromedp.Focus(chromedp.CSS("#regions li button")))
	first := b.picture("pane-map")
	if plain == first || first == second {
		t.Error("a part under the pointer is not highlighted")
	}
	b.run(chromedp.Blur(chromedp.CSS("#regions li button")))
	if b.picture("pane-map") != plain {
		t.Error("the highlight stays")
	}
}

func TestPhoneWidth(t *testing.T) {
	s := startServer(t, testConfig())
	for _, width := range []int64{320, 390} {
		b := open(t, s.url, size{width: width, height: 844, phone: true})
		fits := func(when string) {
			t.Helper()
			if got := value[int64](b, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("%s the page is %d pixels wide on a phone of %d: %s", when, got, width, value[string](b, fmt.Sprintf(`[...document.querySelectorAll('*')].filter((e) => e.getBoundingClientRect().right > %d + 1).map((e) => e.id || e.className || e.tagName).join()`, width)))
			}
		}
		fits("before a picture")
		b.choose(sample, sample)
		b.until(shown)
		fits("with pictures")
		b.click("#side")
		b.click("#limits summary")
		b.click("#about summary")
		fits("with everything open")
		small := value[string](b, `[...document.querySelectorAll('button, select')].filter((e) => e.offsetParent && e.getBoundingClientRect().height < 24).map((e) => e.id || e.className).join()`)
		if small != "" {
			t.Errorf("too small for a finger: %s", small)
		}
	}
}

func TestSeveralPicturesAndModels(t *testing.T) {
	s := startServer(t, testConfig())
	b := open(t, s.url, desktop)
	b.choose(sample, write(t, "notes.txt", []byte("no picture")), sample)
	b.until(`document.querySelectorAll('.strip li').length === 3 && document.querySelectorAll('.strip [class^=grade]').length === 2`)
	if s.taken.Load() != 2 {
		t.Errorf("%d pictures were sent, expected 2", s.taken.Load())
	}
	b.click(".strip li:nth-child(2) .open")
	b.until(wrong)
	b.click(".strip li:nth-child(2) .remove")
	b.until(shown)
	b.run(chromedp.SetValue(chromedp.ID("model"), "one-spot"))
	value[bool](b, `document.querySelector('#model').dispatchEvent(new Event('change', {bubbles: true}))`)
	b.until(shown + ` && document.querySelectorAll('#regions li').length === 1`)
	if got := b.text("#limits"); strings.Contains(got, "two spots") {
		t.Error("the known limits are still those of the other model")
	}
	b.click(".strip li .remove")
	b.until(`document.querySelectorAll('.strip li').length === 1 && document.querySelector('#strip').hidden`)
}

func TestToken(t *testing.T) {
	s := startServer(t, configured(func(c *serve.Config) { c.Token = "let-me-in-please" }))
	b := open(t, s.url, desktop, "status of 401")
	give := func(token string) {
		b.run(chromedp.SendKeys(chromedp.ID("token-value"), token+kb.Enter))
	}
	give("wrong")
	b.until(`!document.querySelector('#token-wrong').hidden && document.querySelector('#token').open`)
	give("let-me-in-please")
	b.until(`document.querySelector('#model').options.length === 2`)
	b.choose(sample)
	b.until(shown)
}

// Two panes are arranged so that the picture is larger.
func TestArrangement(t *testing.T) {
	_, b := opened(t, desktop)
	b.click("#side")
	place := `[...document.querySelectorAll('.pane')].map((p) => p.getBoundingClientRect())`
	if !value[bool](b, `(([a, b]) => a.bottom <= b.top)(`+place+`)`) {
		t.Error("the panes of a wide picture are not one above the other")
	}
	var tall bytes.Buffer
	if err := png.Encode(&tall, image.NewGray(image.Rect(0, 0, 200, 600))); err != nil {
		t.Fatal(err)
	}
	b.hand("drop", "tall.png", tall.Bytes())
	b.until(`document.title.startsWith('tall')`)
	if !value[bool](b, `(([a, b]) => a.right <= b.left)(`+place+`)`) {
		t.Error("the panes of a tall picture are not side by side")
	}
}
