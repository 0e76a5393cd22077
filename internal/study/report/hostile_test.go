package report

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	cdp "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"gonum.org/v1/plot/vg"
)

// payload runs, or sends a request, where a page takes it for anything but text.
const payload = `<script>window.owned=1</script><img src=x onerror=window.owned=1><img src=//payload.invalid/a.png>` +
	`"><svg/onload=window.owned=1>' onmouseover='window.owned=1</title></style></textarea></text></svg><script>window.owned=1</script>` +
	"javascript:window.owned=1 {{.}} ${window.owned=1} ]]><!-- \u2028window.owned=1 \u202egnp.exe\u2066 \x01\x1b[2J"

// hostile is a study with the payload wherever a text comes from outside.
func hostile(t *testing.T) *Results {
	t.Helper()
	r := withPictures(t, made(t, Robustness, 12))
	r.Title, r.Note = "title"+payload, "note"+payload
	renamed := map[string]string{}
	for _, list := range [][]string{r.Variants, r.Train, r.Test} {
		for i, name := range list {
			renamed[name] = name + payload
			list[i] = renamed[name]
		}
	}
	for i := range r.Treatments[1:] {
		r.Treatments[i+1].Strength += payload
	}
	for i := range r.Runs {
		run := &r.Runs[i]
		run.Variant, run.Train, run.Model, run.Folder = renamed[run.Variant], renamed[run.Train], payload, payload
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		c.Variant, c.Train, c.Test = renamed[c.Variant], renamed[c.Train], renamed[c.Test]
		if c.Treatment.Kind != "" {
			c.Treatment.Strength += payload
		}
	}
	r.Cells[0].Scores, r.Cells[0].Problem = nil, "problem"+payload
	r.Cells[1].Failed, r.Cells[1].Failure = 2, "failure"+payload
	r.Runs[0].Problem = payload
	for i := range r.Data {
		d := &r.Data[i]
		d.Name, d.Folder, d.Print, d.Problem = renamed[d.Name], payload, payload, payload
	}
	r.Options, r.Versions = []Option{{payload, payload}}, []Option{{payload, payload}}
	for i := range r.Pictures {
		p := &r.Pictures[i]
		p.Test, p.Name = renamed[p.Test], payload+".jpg"
		for k := range p.Maps {
			p.Maps[k].Variant, p.Maps[k].Train = renamed[p.Maps[k].Variant], renamed[p.Maps[k].Train]
		}
	}
	return r
}

// Names, problems and options of a study are text, in the page and in the figures. Where Chromium
// is installed, it opens all of them.
func TestNothingOfAStudyRuns(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, hostile(t)); err != nil {
		t.Fatal(err)
	}
	figures, err := filepath.Glob(filepath.Join(dir, figuresDir, "*.svg"))
	if err != nil || len(figures) == 0 {
		t.Fatalf("%d figures: %v", len(figures), err)
	}
	all := append(figures, filepath.Join(dir, PageFile))
	for _, path := range all {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if strings.Contains(text, "<script") || strings.Contains(text, "<img src=x") || strings.ContainsAny(text, "\u202e\u2066\x01\x1b") {
			t.Errorf("%s holds a payload that is not text", filepath.Base(path))
		}
		if d := xml.NewDecoder(strings.NewReader(text)); filepath.Ext(path) == ".svg" {
			for err = nil; err == nil; {
				_, err = d.Token()
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s is not XML: %v", filepath.Base(path), err)
			}
		}
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Logf("no Chromium is installed: %d files were read, not opened", len(all))
		return
	}
	open(t, path, all)
}

// open opens files in Chromium, with a script added to the page, which its policy must refuse.
func open(t *testing.T, browser string, paths []string) {
	t.Helper()
	last := paths[len(paths)-1]
	data, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	evil := filepath.Join(filepath.Dir(last), "evil.html")
	added := `<script>window.owned=1</script><img src=x onerror=window.owned=1><p id="end"></p></body>`
	if err := os.WriteFile(evil, []byte(strings.Replace(string(data), "</body>", added, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.Flag("disable-gpu", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	w := &watcher{}
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(w.hear))
	defer cancel()
	ctx, expire := context.WithTimeout(ctx, 2*time.Minute)
	defer expire()
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, evil) {
		if err := chromedp.Do(ctx, chromedp.Navigate("file://"+path)); err != nil {
			t.Fatal(err)
		}
		owned, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`window.owned !== undefined || document.querySelectorAll('p, text, svg').length === 0`))
		if err != nil || owned {
			t.Errorf("%s: a payload has run, or nothing is shown (%v)", filepath.Base(path), err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) > 0 {
		t.Errorf("dialogs and requests: %q", w.seen)
	}
}

// watcher notes dialogs, and requests for anything but files.
type watcher struct {
	mu   sync.Mutex
	seen []string
}

func (w *watcher) hear(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *cdp.EventJavascriptDialogOpening:
		w.seen = append(w.seen, "dialog "+e.Message)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, "file://") && !strings.HasPrefix(u, "data:") {
			w.seen = append(w.seen, u)
		}
	}
}

// A data set's directory may have a name of 255 bytes without a space. It once left no room for the
// plot, and drawing did not end.
func TestLongNamesLeaveRoom(t *testing.T) {
	for _, kind := range []string{CrossGenerator, Layers, Decoders, Robustness} {
		r := made(t, kind, 6)
		long := strings.Repeat("w", 251)
		for i := range r.Train {
			r.Train[i], r.Test[i] = r.Train[i]+long, r.Test[i]+long
		}
		for i := range r.Variants {
			r.Variants[i] += long
		}
		for i := range r.Cells {
			c := &r.Cells[i]
			c.Train, c.Test, c.Variant = c.Train+long, c.Test+long, c.Variant+long
		}
		a := Analyze(r)
		for _, s := range a.contents() {
			for _, f := range s.figures {
				if f.room() < f.height || len(f.legend) > 0 && f.room()-legendRow*vg.Length(len(f.legend)) < f.height/2 {
					t.Errorf("%s: figure %s of height %v has %d rows of legend in %v", kind, f.Name, f.height, len(f.legend), f.room())
				}
			}
		}
		if err := Write(t.TempDir(), r); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
