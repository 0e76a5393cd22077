package browser

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/serve"
)

// shots is the directory to write pictures of the page with 24 pictures to.
var shots = flag.String("shots", "", "write pictures of the page with 24 pictures to this directory")

// graded marks nothing, a weak spot or a strong one, by the width of the picture.
type graded struct {
	hold chan struct{} // if not nil, each picture waits until it can receive
}

func (g *graded) Info() localize.Info { return (&spotter{}).Info() }

func (g *graded) LocalizeBatch(ctx context.Context, pictures []*picture.Picture) (list []*localize.Result, err error) {
	for _, p := range pictures {
		if g.hold != nil {
			select {
			case <-g.hold:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		s := spotter{strong: []float64{0.1, 0.7, 5}[p.Width%3]}
		results, err := s.LocalizeBatch(ctx, []*picture.Picture{p})
		if err != nil {
			return nil, err
		}
		results[0].Score = min(s.strong, 1)
		list = append(list, results...)
	}
	return list, nil
}

// series writes n pictures of different widths, and gives their paths.
func series(t *testing.T, n int) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		m := image.NewRGBA(image.Rect(0, 0, 240+i, 180))
		for y := range 180 {
			for x := range 240 + i {
				m.Set(x, y, color.RGBA{uint8(x), uint8(y + 3*i), uint8(10 * i), 255})
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, writeIn(t, dir, fmt.Sprintf("picture-%02d.png", i), b.Bytes()))
	}
	return paths
}

func (b *tab) names() []string {
	b.t.Helper()
	return strings.Split(value[string](b, `[...document.querySelectorAll('.strip .name')].map((e) => e.textContent).join()`), ",")
}

const analysed = `document.querySelectorAll('.strip [class^=grade]').length`

func TestManyPictures(t *testing.T) {
	const n = 24
	m := &graded{hold: make(chan struct{})}
	url, _ := listen(t, testConfig(), serve.Model{Name: "graded", Description: "by width", Localizer: m})
	b := open(t, url, desktop)
	paths := series(t, n)
	notes := write(t, "=notes.txt", []byte("no picture"))
	b.choose(append(slices.Clone(paths), notes)...)
	b.until(`document.querySelector('#batch-words').textContent.startsWith('0 of 24 pictures analysed')`)
	for range 7 {
		m.hold <- struct{}{}
	}
	b.until(analysed + ` === 7 && /^7 of 24 pictures analysed, .* left$/.test(document.querySelector('#batch-words').textContent)`)
	if *shots != "" {
		b.photographs(*shots, "running")
	}
	b.click("#batch-stop")
	b.until(`document.querySelector('#batch-words').textContent === '7 of 24 pictures analysed, 17 cancelled'`)
	b.click("#batch-continue")
	close(m.hold)
	b.until(analysed + ` === 24 && document.querySelector('#batch-words').textContent === '24 of 24 pictures analysed'`)

	findings := b.text("#batch-findings")
	if want := "Clear traces: 8 · Some traces: 8 · Nothing stands out: 8 · Not analysed: 1"; findings != want {
		t.Errorf("the page says %q, expected %q", findings, want)
	}
	added := b.names()
	b.choice("sort", "suspicion")
	byEvidence := b.names()
	for i, name := range byEvidence[:n] {
		var number int
		if _, err := fmt.Sscanf(name, "picture-%d.png", &number); err != nil || (240+number)%3 != 2-i/8 {
			t.Errorf("place %d of the sorted pictures has %s", i, name)
		}
	}
	if byEvidence[n] != "=notes.txt" {
		t.Errorf("the last of the sorted pictures is %s", byEvidence[n])
	}
	if *shots != "" {
		b.click(".strip li .open")
		b.until(shown)
		b.photographs(*shots, "sorted")
	}
	b.choice("sort", "added")
	if got := b.names(); !slices.Equal(got, added) {
		t.Errorf("sorted as added: %v, expected %v", got, added)
	}
	checkZip(t, b.download("#batch-zip", "declip.zip"), n)
	checkReport(t, b)
}

// checkReport saves the report of all pictures and looks at it as a reader would.
func checkReport(t *testing.T, b *tab) {
	t.Helper()
	report := b.download("#batch-report", "declip-report.html")
	asked := b.asked.Load()
	b.run(chromedp.Navigate("file://" + write(t, "report.html", report)))
	if b.asked.Load() != asked+1 {
		t.Error("the browser did not ask before the page with its pictures was left")
	}
	if got := value[int](b, `document.querySelectorAll('.r-overview tbody tr').length`); got != 24 {
		t.Errorf("the overview has %d rows, expected 24", got)
	}
	if got := value[int](b, `document.querySelectorAll('.report').length`); got != 25 {
		t.Errorf("the report has %d parts, expected an overview and 24 pictures", got)
	}
	if got := b.text(".r-overview section"); !strings.Contains(got, "=notes.txt: Not a picture that declip can read") {
		t.Errorf("of the files without a result the report says %q", got)
	}
	if *shots != "" {
		b.photographs(*shots, "report")
	}
}

func checkZip(t *testing.T, data []byte, n int) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if contents[f.Name], err = io.ReadAll(r); err != nil { // checks the CRC
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	if want := 2 + 3*n; len(contents) != want {
		t.Errorf("the ZIP file has %d files, expected %d", len(contents), want)
	}
	lines, err := csv.NewReader(bytes.NewReader(contents["summary.csv"])).ReadAll()
	if err != nil || len(lines) != n+2 || lines[n+1][0] != "'=notes.txt" {
		t.Errorf("the summary has %d lines, %v, expected a header, %d pictures and the name of the other file, which is no formula", len(lines), err, n)
	}
	var result struct {
		Image  string
		SHA256 string
	}
	if err := json.Unmarshal(contents["picture-05.declip.json"], &result); err != nil || result.Image != "picture-05.png" || len(result.SHA256) != 64 {
		t.Errorf("picture-05.declip.json holds %+v, %v", result, err)
	}
	mask, err := png.Decode(bytes.NewReader(contents["picture-05.mask.png"]))
	if err != nil || mask.Bounds().Dx() != 245 {
		t.Errorf("picture-05.mask.png: %v", err)
	}
}

// tiledModel reports three of eight tiles, then waits.
type tiledModel struct{ spotter }

func (m *tiledModel) LocalizeBatch(ctx context.Context, pictures []*picture.Picture) ([]*localize.Result, error) {
	localize.ReportProgress(ctx)(3, 8)
	return m.spotter.LocalizeBatch(ctx, pictures)
}

func TestTilesAreShown(t *testing.T) {
	m := &tiledModel{spotter{strong: 0.95, hold: make(chan struct{})}}
	url, _ := listen(t, testConfig(), serve.Model{Name: "tiled", Localizer: m})
	b := open(t, url, desktop)
	b.choose(sample)
	b.until(`document.querySelector('#over .pill')?.textContent === 'Analysing, tile 4 of 8' && document.querySelector('#over progress').value === 3 / 8`)
	close(m.hold)
	b.until(shown)
}

// photographs takes the page at two widths.
func (b *tab) photographs(dir, name string) {
	b.t.Helper()
	for _, width := range []int64{1280, 390} {
		b.run(chromedp.EmulateViewport(width, 900))
		b.shoot(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, width)))
	}
	b.run(chromedp.EmulateViewport(desktop.width, desktop.height))
}
