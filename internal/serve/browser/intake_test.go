package browser

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"github.com/declip/declip/internal/serve"
)

// hand passes a file to the page with an event, as a drop or a paste does.
func (b *tab) hand(event, name string, data []byte) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf(`(() => {
		const text = atob(%q), bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
		const transfer = new DataTransfer();
		transfer.items.add(new File([bytes], %q));
		const event = %q === 'drop' ? new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true})
			: new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true});
		return document.body.dispatchEvent(event) || true;
	})()`, base64.StdEncoding.EncodeToString(data), name, event))
}

func TestDropPasteAndExample(t *testing.T) {
	data := readSample(t)
	s := startServer(t, testConfig())
	b := open(t, s.url, desktop)
	b.hand("drop", "dropped.jpg", data)
	b.until(shown)
	b.hand("paste", "pasted.jpg", data)
	b.until(`document.querySelectorAll('.strip [class^=grade]').length === 2`)
	value[bool](b, `document.querySelector('#example').click() ?? true`)
	b.until(`document.querySelectorAll('.strip [class^=grade]').length === 3`)
	names := value[string](b, `[...document.querySelectorAll('.strip .name')].map((e) => e.textContent).join()`)
	if names != "dropped.jpg,pasted.jpg,example.jpg" {
		t.Errorf("the strip names %s", names)
	}
	value[bool](b, `(() => {
		const transfer = new DataTransfer();
		transfer.setData('text/plain', 'https://example.com/picture.jpg');
		return document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true})) || true;
	})()`)
	if got := b.text("#notices"); !strings.Contains(got, "Links are not opened") {
		t.Errorf("after a pasted link the page says %q", got)
	}
}

// The example that the page offers is the bundled sample.
func TestExampleIsTheSample(t *testing.T) {
	want := readSample(t)
	got, err := os.ReadFile("../web/assets/example.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("internal/serve/web/assets/example.jpg is not testdata/sample/forged.jpg: copy it")
	}
}

// hugePNG is a PNG file of a few bytes whose header announces many pixels.
func hugePNG() []byte {
	header := []byte("IHDR\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00")
	binary.BigEndian.PutUint32(header[4:], 20000)
	binary.BigEndian.PutUint32(header[8:], 20000)
	data := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...)
	return binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(header))
}

func TestRefusedFilesAreNotSent(t *testing.T) {
	s := startServer(t, configured(func(c *serve.Config) { c.MaxBytes = 300 << 10 }))
	b := open(t, s.url, desktop)
	for _, c := range []struct {
		name, data string
		says       []string
	}{
		{"notes.txt", "just text", []string{"Not a picture", "TIFF"}},
		{"empty.jpg", "", []string{"empty"}},
		{"design.psd", "8BPS\x00\x01", []string{"Photoshop", "Export it as JPEG"}},
		{"film.mp4", "\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", []string{"video"}},
		{"letter.pdf", "%PDF-1.7\n", []string{"PDF"}},
		{"large.jpg", "\xff\xd8\xff\xe0" + strings.Repeat("\x00", 400<<10), []string{"too large", "410 kB", "307 kB"}},
		{"bomb.png", string(hugePNG()), []string{"too large", "400 megapixels", "50 megapixels"}},
	} {
		b.hand("drop", c.name, []byte(c.data))
		b.until(wrong)
		got := b.text("#over")
		for _, say := range c.says {
			if !strings.Contains(got, say) {
				t.Errorf("%s: the page says %q, which lacks %q", c.name, got, say)
			}
		}
		b.click("#over button")
		b.until(`document.querySelector('#work').hidden`)
	}
	if n := s.taken.Load(); n != 0 {
		t.Errorf("%d files were sent", n)
	}
}

func TestDamagedPicture(t *testing.T) {
	s := startServer(t, testConfig())
	b := open(t, s.url, desktop, "status of 4")
	b.hand("drop", "damaged.jpg", readSample(t)[:700])
	b.until(wrong)
	if got := b.text("#over"); !strings.Contains(got, "damaged") || !strings.Contains(got, "jpeg") {
		t.Errorf("after a damaged file the page says %q", got)
	}
}

func TestBusyServerIsRetried(t *testing.T) {
	s := startServer(t, configured(func(c *serve.Config) { c.Queue = 1; c.MaxPictures = 1 }))
	s.hold = make(chan struct{})
	b := open(t, s.url, desktop, "status of 429")
	s.fill(t, readSample(t))
	b.choose(sample)
	b.until(`/Server busy, trying again in \d+ s/.test(document.querySelector('#over').innerText)`)
	close(s.hold)
	b.until(shown)
}

func TestNoConnection(t *testing.T) {
	s := startServer(t, testConfig())
	b := open(t, s.url, desktop, "ERR_CONNECTION")
	s.stop()
	b.choose(sample)
	b.until(wrong)
	if got := b.text("#over"); !strings.Contains(got, "No connection") || !strings.Contains(got, "Try again") {
		t.Errorf("without a server the page says %q", got)
	}
}
