package browser

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/serve"
)

// foreign is a host that payloads send requests to; verify fails the test if one is sent.
const foreign = "payload.invalid"

// payloads are texts that run, or send a request, where a page takes them for anything but text.
var payloads = []string{
	`<script>window.owned=1</script>`,
	`<img src=x onerror=window.owned=1>`,
	`<svg/onload=window.owned=1>`,
	`<img src=//` + foreign + `/a.png>`,
	`<iframe srcdoc="<script>parent.owned=1</script>">`,
	`"><img src=x onerror=window.owned=1>`,
	`" autofocus onfocus=window.owned=1 x="`,
	`' onmouseover='window.owned=1`,
	`</script><script>window.owned=1</script>`,
	`</title><script>window.owned=1</script>`,
	`</style><style>@import url(//` + foreign + `/a.css)</style>`,
	`</textarea></option></select><img src=x onerror=window.owned=1>`,
	`<!--<script>window.owned=1</script>-->`,
	`]]><script>window.owned=1</script>`,
	`javascript:window.owned=1`,
	`data:text/html,<script>window.owned=1</script>`,
	"${window.owned=1}{{window.owned=1}}<%window.owned=1%>#{window.owned=1}",
	"\u2028window.owned=1\u2029",
	"\\u003cscript\\u003ewindow.owned=1\\u003c/script\\u003e",
	"&lt;script&gt;window.owned=1&lt;/script&gt;",
	"x');window.owned=1;//",
	"`+(window.owned=1)+`",
	"<base href=//" + foreign + "/><link rel=stylesheet href=a.css>",
	"<meta http-equiv=refresh content=0;url=//" + foreign + ">",
	"<form action=javascript:window.owned=1><button autofocus>",
	"photo\u202egnp.exe\u2066\u200f",
	"line\nbreak\r\ttab\x1b[2J\u0085",
}

// commands are the characters of payloads that reverse text or control a terminal.
const commands = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f\u061c\u2028\u2029\x1b\u0085"

// unharmed fails the test if a payload has run, or left an element that only a payload makes, or if
// a text holds a character that commands.
func (b *tab) unharmed(what string) {
	b.t.Helper()
	if value[bool](b, `window.owned !== undefined`) {
		b.t.Errorf("%s: a payload has run", what)
	}
	if n := value[int](b, `document.querySelectorAll('iframe, base, [onerror], [onload], [onfocus], [onmouseover], form[action], meta[http-equiv=refresh], a[href^="javascript:"]').length`); n > 0 {
		b.t.Errorf("%s: %d elements are made of payloads", what, n)
	}
	shown := value[string](b, `[document.title, document.body.innerText, ...[...document.querySelectorAll('[aria-label], [title]')].map((e) => e.title + e.ariaLabel)].join(' ')`)
	if at := strings.IndexAny(shown, commands); at >= 0 {
		b.t.Errorf("%s: the page shows %q", what, shown[max(at-20, 0):min(at+20, len(shown))])
	}
}

// echo is a model that answers with warnings of any text.
type echo struct {
	spotter
	warnings []string
}

func (e *echo) LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*localize.Result, error) {
	for _, p := range pictures {
		p.Warnings = append(p.Warnings, e.warnings...)
	}
	list, err := e.spotter.LocalizeBatch(ctx, pictures)
	for _, r := range list {
		r.Warnings = append(r.Warnings, e.warnings...)
	}
	return list, err
}

// withEXIF is a JPEG with a text as description, maker and owner.
func withEXIF(data []byte, text string) []byte {
	le := binary.LittleEndian
	tags := []uint16{270, 271, 315}
	b := append([]byte("Exif\x00\x00II*\x00\x08\x00\x00\x00"), byte(len(tags)), 0)
	at := 8 + 2 + 12*len(tags) + 4
	for _, tag := range tags {
		b = le.AppendUint16(le.AppendUint16(b, tag), 2)
		b = le.AppendUint32(le.AppendUint32(b, uint32(len(text)+1)), uint32(at))
	}
	b = append(append(append(b, 0, 0, 0, 0), text...), 0)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(b)+2))
	return slices.Concat(data[:2], segment, b, data[2:])
}

// damagedPNG is a file whose error cites its first chunk.
func damagedPNG(kind string) []byte {
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), kind...)
	b = append(b, make([]byte, 13)...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

// What comes from outside is treated as text: names of files and models, EXIF fields, descriptions,
// limits, warnings and errors, on the page, in the printed and the saved report.
func TestNothingOfAPictureRuns(t *testing.T) {
	data := readSample(t)
	m := &echo{spotter{strong: 0.95, weak: 0.62}, payloads}
	var models []serve.Model
	for i, p := range payloads {
		model := serve.Model{Name: p, Description: p, KnownLimits: payloads, Localizer: m}
		if i == 0 {
			model.Name = strings.Join(payloads, " ")
			model.Description = model.Name
		}
		models = append(models, model)
	}
	address, stop := listen(t, testConfig(), models...)
	b := open(t, address, desktop, "the server responded with a status of 422", "400 (Bad Request)", "422 (")
	b.unharmed("the list of models")
	b.hand("drop", strings.Join(payloads, " ")+".jpg", withEXIF(data, strings.Join(payloads, " ")))
	b.until(shown)
	value[int](b, `[...document.querySelectorAll('details')].map((d) => d.open = true).length`)
	b.unharmed("the result")
	b.askToPrint()
	b.unharmed("the printed report")
	saved := value[string](b, `(async () => {
		const { asFile } = await import('./assets/js/report.js');
		return (await asFile([document.querySelector('#report')], document.querySelector('#report h1').textContent)).text();
	})()`)
	value[bool](b, `document.body.dispatchEvent(new Event('afterprint')) || true`)
	_, small, err := picture.ThroughJPEG(picture.NewRGB(64, 48), 90)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range payloads {
		b.hand("drop", p+".jpg", withEXIF(small, p))
		b.hand("drop", p, []byte(p))
	}
	for _, kind := range []string{"<b>!", "\"on=", "\u2028!", "\x1b[2J"} {
		b.hand("drop", kind+".png", damagedPNG(kind))
	}
	b.until(`!document.querySelector('.strip .working')`)
	value[int](b, `(() => {
		const list = [...document.querySelectorAll('.strip button.open')];
		list.forEach((e) => { e.focus(); e.click(); });
		return list.length;
	})()`)
	b.unharmed("many pictures")
	stop()
	path := write(t, "report.html", []byte(saved))
	b.run(chromedp.Navigate("file://" + path))
	if n := value[int](b, `[...document.images].filter((i) => i.complete && i.naturalWidth > 300).length`); n != 2 {
		t.Errorf("the saved report shows %d pictures, expected 2", n)
	}
	b.unharmed("the saved report")
	forbidden(t, b, path)
}

// forbidden fails the test if a file opened from disk would run a script or send a request,
// even if one were in it.
func forbidden(t *testing.T, b *tab, path string) {
	t.Helper()
	html, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	evil := bytes.Replace(html, []byte("</body>"), []byte(`<script>window.owned=1</script><img src=x onerror=window.owned=1><img src="icon.svg"></body>`), 1)
	b.run(chromedp.Navigate("file://" + write(t, "evil.html", evil)))
	if value[bool](b, `window.owned !== undefined`) {
		t.Error("a script in a saved report runs: its policy allows it")
	}
	refused := 0
	for end := time.Now().Add(10 * time.Second); refused < 4 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		b.mu.Lock()
		b.problems = slices.DeleteFunc(b.problems, func(p string) bool {
			policy := strings.Contains(p, "Content Security Policy")
			if policy {
				refused++
			}
			return policy
		})
		b.mu.Unlock()
	}
	if refused != 4 {
		t.Errorf("the policy of the saved report refused %d of a script, a handler and two pictures", refused)
	}
}

// What the server answers to a hostile address is never a page of the address's making.
func TestNothingOfAnAddressRuns(t *testing.T) {
	s := startServer(t, testConfig())
	b := open(t, s.url, desktop, "Failed to load resource", "responded with a status")
	addresses := func(p string) []string {
		part, query := url.PathEscape(p), url.QueryEscape(p)
		return []string{part, "assets/" + part, "v1/results/" + part + "/mask.png", "v1/localize?model=" + query + "&threshold=" + query, "?model=" + query}
	}
	for _, p := range payloads {
		for _, address := range addresses(p) {
			for _, method := range []string{"GET", "POST"} {
				kind := value[string](b, fmt.Sprintf(`fetch(%q, {method: %q, body: %q === 'GET' ? undefined : %q}).then((r) => r.headers.get('content-type') + r.headers.get('x-content-type-options'))`,
					s.url+address, method, method, p))
				if !strings.Contains(kind, "json") || !strings.HasSuffix(kind, "nosniff") {
					t.Errorf("the answer to %s %s is %s", method, address, kind)
				}
			}
		}
	}
	all := strings.Join(payloads, " ")
	for _, address := range append(addresses(all), "#"+url.PathEscape(all)) {
		// What a browser does not show is an error.
		_ = chromedp.Do(b.ctx, chromedp.Navigate(s.url+address))
		if strings.HasPrefix(address, "#") {
			b.until(`document.querySelector('#model').options.length > 0`)
		}
		b.unharmed(address[:20])
	}
}
