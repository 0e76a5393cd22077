// Package browser tests the web page in a real Chromium.
package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// root is the module's root, seen from this package.
var root = filepath.Join("..", "..", "..")

// chromium finds the browser, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is installed (Debian, Ubuntu: apt install chromium)")
	return ""
}

// all tests share one browser, a tab each.
var shared struct {
	sync.Once
	ctx   context.Context
	err   error
	close func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.close != nil {
		shared.close()
	}
	os.Exit(code)
}

func start(path string) {
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // tests may run as root, in a container
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("lang", "en-GB"),
		chromedp.WindowSize(1280, 900),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	shared.ctx, shared.close = ctx, func() { cancel(); stop() } //nolint:fatcontext // all tests share the browser
	shared.err = chromedp.Do(ctx)
}

// tab is a tab of the browser, with the errors that it reported.
type tab struct {
	t         *testing.T
	ctx       context.Context
	downloads string

	mu       sync.Mutex
	problems []string // errors and warnings on its console, exceptions
	hosts    map[string]bool
	asked    atomic.Int32 // how often the browser asked whether to leave the page
}

// size is the inner size of a window, in CSS pixels.
type size struct {
	width, height int64
	phone         bool
}

var desktop = size{width: 1280, height: 900}

// open loads the page from an address in a new tab. After the test, the tab must have sent no
// request to another host and reported no errors except those that expect allows.
func open(t *testing.T, address string, window size, expect ...string) *tab {
	t.Helper()
	path := chromium(t)
	shared.Do(func() { start(path) })
	if shared.err != nil {
		t.Fatalf("starting %s: %v", path, shared.err)
	}
	b := &tab{t: t, downloads: t.TempDir(), hosts: map[string]bool{}}
	ctx, cancel := chromedp.NewContext(shared.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context of its first use
		t.Fatal(err)
	}
	var expire context.CancelFunc
	b.ctx, expire = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(expire)
	b.prepare(window)
	b.run(chromedp.Navigate(address), chromedp.WaitVisible(chromedp.ID("choose")))
	b.until(`document.querySelector('#model').options.length > 0 || document.querySelector('#token').open`)
	t.Cleanup(func() { b.verify(address, expect) })
	return b
}

func (b *tab) prepare(window size) {
	b.t.Helper()
	var options []chromedp.EmulateViewportOption
	if window.phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
	}
	b.run(chromedp.EmulateViewport(window.width, window.height, options...))
	_, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	if err == nil {
		_, err = chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: b.downloads,
			BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	messages := chromedp.Console(b.ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return // the tab is closed
			}
			if m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning {
				b.mu.Lock()
				b.problems = append(b.problems, fmt.Sprintf("%s (%s)", m, m.URL))
				b.mu.Unlock()
			}
		}
	}()
}

// hear notes the hosts that requests go to, and dialogs. The page opens none but the browser's own
// question before it leaves pictures behind, which is answered with yes.
func (b *tab) hear(event any) {
	if opened, ok := event.(*page.EventJavascriptDialogOpening); ok {
		if opened.Type == page.DialogTypeBeforeunload {
			b.asked.Add(1)
			go func() {
				_, err := chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
				if err != nil {
					b.t.Log("answering the browser: ", err)
				}
			}()
			return
		}
		b.mu.Lock()
		b.problems = append(b.problems, "a dialog: "+opened.Message)
		b.mu.Unlock()
		return
	}
	sent, ok := event.(*network.EventRequestWillBeSent)
	if !ok {
		return
	}
	if u, err := url.Parse(sent.Request.URL); err == nil && u.Host != "" {
		b.mu.Lock()
		b.hosts[u.Host] = true
		b.mu.Unlock()
	}
}

// verify fails the test for unexpected errors and requests to other hosts.
func (b *tab) verify(address string, expect []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		if !slices.ContainsFunc(expect, func(e string) bool { return strings.Contains(p, e) }) {
			b.t.Errorf("the page reported: %s", p)
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	if !b.hosts[u.Host] {
		b.t.Errorf("no request to %s was seen", u.Host)
	}
	for host := range b.hosts {
		if host != u.Host {
			b.t.Errorf("the page sent a request to another host, %s", host)
		}
	}
}

func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("in the browser: %v; the page reported: %s", err, strings.Join(b.problems, "; "))
	}
}

// until waits for an expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(time.Minute)))
	if err != nil {
		b.t.Fatalf("waiting for %s: %v; the page reported: %s", expression, err, strings.Join(b.problems, "; "))
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return value[string](b, fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? '').trim()`, selector))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// value evaluates an expression. If it is a promise, value waits for it.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("evaluating %s: %v", expression, err)
	}
	return v
}

// choose adds files as if the user had chosen them.
func (b *tab) choose(paths ...string) {
	b.t.Helper()
	for i, p := range paths {
		absolute, err := filepath.Abs(p)
		if err != nil {
			b.t.Fatal(err)
		}
		paths[i] = absolute
	}
	b.run(chromedp.SetUploadFiles(chromedp.ID("files"), paths))
}

// set moves a slider.
func (b *tab) set(id string, v int) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf(`(() => {
		const slider = document.getElementById(%q);
		slider.value = %d;
		return slider.dispatchEvent(new Event('input', {bubbles: true}));
	})()`, id, v))
}

// choice chooses an option of a list.
func (b *tab) choice(id, option string) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf(`(() => {
		const list = document.getElementById(%q);
		list.value = %q;
		return list.dispatchEvent(new Event('change', {bubbles: true}));
	})()`, id, option))
}

// shoot writes a picture of the whole page as PNG.
func (b *tab) shoot(path string) {
	b.t.Helper()
	data, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// picture hashes what a pane shows, after pending frames are painted.
func (b *tab) picture(pane string) string {
	b.t.Helper()
	return value[string](b, fmt.Sprintf(`(async () => {
		for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
		const digest = await crypto.subtle.digest('SHA-256', %s);
		return Array.from(new Uint8Array(digest), (v) => v.toString(16).padStart(2, '0')).join('');
	})()`, pixels(pane)))
}

// pixels is an expression for the RGBA bytes of a pane. They are read from a copy, because browsers
// warn about repeated reads of a canvas.
func pixels(pane string) string {
	return fmt.Sprintf(`(() => {
		const from = document.querySelector('#%s canvas');
		const context = new OffscreenCanvas(from.width, from.height).getContext('2d', {willReadFrequently: true});
		context.drawImage(from, 0, 0);
		return context.getImageData(0, 0, from.width, from.height).data;
	})()`, pane)
}

// download clicks and reads the file that the browser saves under a name.
func (b *tab) download(selector, name string) []byte {
	b.t.Helper()
	path := filepath.Join(b.downloads, name)
	if err := os.RemoveAll(path); err != nil { // of an earlier click
		b.t.Fatal(err)
	}
	b.click(selector)
	size := -1
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(150 * time.Millisecond) {
		data, err := os.ReadFile(path)
		if err == nil && len(data) > 0 && len(data) == size {
			return data
		}
		size = len(data) // the file is complete when it no longer grows
	}
	have, _ := filepath.Glob(filepath.Join(b.downloads, "*"))
	b.t.Fatalf("%s was not downloaded; there is: %q", name, have)
	return nil
}
