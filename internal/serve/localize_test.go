package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

func TestLocalize(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.Version = "v1" }))
	data := picturePNG(t, 64, 32)
	a := s.post("/v1/localize", data)
	got := decode[resultBody](t, a)
	sum := sha256.Sum256(data)
	if a.status != http.StatusOK || got.Width != 64 || got.Height != 32 || got.Format != "png" || got.Orientation != 1 ||
		got.Model != "fake" || got.Threshold != 0.5 || got.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("got %d %+v", a.status, got)
	}
	if len(got.Regions) != 1 || got.Regions[0].Box != [4]int{16, 8, 16, 8} || got.ManipulatedFraction != 0.0625 {
		t.Errorf("regions %+v, fraction %g", got.Regions, got.ManipulatedFraction)
	}
	for name, url := range map[string]string{"prob": got.Maps.Prob, "mask": got.Maps.Mask, "overlay": got.Maps.Overlay} {
		m, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(url, dataURL))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c, err := png.DecodeConfig(bytes.NewReader(m))
		if err != nil || c.Width != 64 || c.Height != 32 {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		p := s.post("/v1/localize?view="+name, data, "Accept", "image/png")
		if p.status != http.StatusOK || !bytes.Equal(p.body, m) || p.header.Get("Content-Type") != "image/png" {
			t.Errorf("view=%s differs from maps.%s (status %d)", name, name, p.status)
		}
	}
}

func form(t *testing.T, files map[string][]byte, names ...string) (body []byte, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range names {
		part, err := w.CreateFormFile(fieldImage, name)
		if err == nil {
			_, err = part.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

func TestForm(t *testing.T) {
	s := start(t, testConfig())
	body, kind := form(t, map[string][]byte{`C:\pictures\a.png`: picturePNG(t, 64, 32)}, `C:\pictures\a.png`)
	a := s.post("/v1/localize?maps=none", body, "Content-Type", kind)
	if got := decode[resultBody](t, a); got.Image != "a.png" || got.Width != 64 || got.Maps != nil {
		t.Errorf("got %+v", got)
	}
}

func TestLinks(t *testing.T) {
	s := start(t, testConfig())
	got := decode[resultBody](t, s.post("/v1/localize?maps=links", picturePNG(t, 64, 32)))
	if got.Maps == nil || got.Maps.Expires == "" {
		t.Fatalf("got %+v", got)
	}
	for name, link := range map[string]string{"prob": got.Maps.Prob, "mask": got.Maps.Mask, "overlay": got.Maps.Overlay} {
		linked := s.do(http.MethodGet, link, nil)
		direct := s.post("/v1/localize?view="+name, picturePNG(t, 64, 32), "Accept", "image/png")
		if linked.status != http.StatusOK || !bytes.Equal(linked.body, direct.body) {
			t.Errorf("%s: status %d, %d bytes, expected the %d bytes of the view", name, linked.status, len(linked.body), len(direct.body))
		}
	}
	refused(t, s.do(http.MethodGet, "/v1/maps/NOPE/prob.png", nil), http.StatusNotFound, codeNotFound)
}

// A confidence is among the maps of models that give one, and of no others.
func TestConfidence(t *testing.T) {
	s := start(t, testConfig(), Model{Name: "sure", Localizer: &fake{sure: true}}, Model{Name: "other", Localizer: &fake{}})
	data := picturePNG(t, 64, 32)
	view := s.post("/v1/localize?model=sure&view=confidence", data, "Accept", "image/png")
	if c, err := png.DecodeConfig(bytes.NewReader(view.body)); err != nil || c.Width != 64 || c.Height != 32 {
		t.Fatalf("status %d, %+v, %v", view.status, c, err)
	}
	for _, maps := range []string{"data", "prob", "links"} {
		got := decode[resultBody](t, s.post("/v1/localize?model=sure&maps="+maps, data))
		if got.Maps == nil || got.Score != 0.75 || got.ScoreKind != "network" {
			t.Fatalf("maps=%s: got %+v", maps, got)
		}
		sent, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(got.Maps.Confidence, dataURL))
		if maps == "links" {
			sent, err = s.do(http.MethodGet, got.Maps.Confidence, nil).body, nil
		}
		if err != nil || !bytes.Equal(sent, view.body) {
			t.Errorf("maps=%s: the confidence differs from the view (%v)", maps, err)
		}
		if other := decode[resultBody](t, s.post("/v1/localize?model=other&maps="+maps, data)); other.Maps.Confidence != "" {
			t.Errorf("maps=%s: a model without a confidence gave one", maps)
		}
	}
	refused(t, s.post("/v1/localize?model=other&view=confidence", data, "Accept", "image/png"), http.StatusBadRequest, codeRequest)
}

func TestModels(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.Version = "v1" }), Model{Name: "a", Localizer: &fake{}}, Model{Name: "b", Localizer: &fake{}, KnownLimits: []string{"none"}})
	got := decode[modelsBody](t, s.do(http.MethodGet, "/v1/models", nil))
	if len(got.Models) != 2 || !got.Models[0].Default || got.Models[1].Default || got.Models[0].KnownLimits == nil || got.Version != "v1" {
		t.Errorf("got %+v", got)
	}
	if b := decode[resultBody](t, s.post("/v1/localize?model=b&maps=none", picturePNG(t, 8, 8))); b.Model != "b" {
		t.Errorf("the model is %s, expected b", b.Model)
	}
	refused(t, s.post("/v1/localize?model=c", picturePNG(t, 8, 8)), http.StatusNotFound, codeModel)
}

// Clients can see whether pictures are kept, whose model it is, and what was measured at the
// threshold that is used.
func TestModelsSayWhatIsKeptAndMeasured(t *testing.T) {
	m := Model{
		Name: "a", Localizer: &fake{}, Licence: &Licence{Name: "CC BY 4.0", Attribution: "A. Author"},
		Measured: &Measured{Threshold: 0.5, Pictures: "two", Untouched: Grades{None: 1}, Forged: Grades{Clear: 1}},
	}
	get := func(c Config) modelsBody {
		return decode[modelsBody](t, start(t, c, m).do(http.MethodGet, "/v1/models", nil))
	}
	if b := get(testConfig()); b.StoresPictures || b.Models[0].Measured == nil || b.Models[0].Measured.Forged.Clear != 1 || b.Models[0].Licence.Attribution != "A. Author" {
		t.Errorf("got %+v", b)
	}
	kept := get(configured(func(c *Config) { c.Archive, c.Threshold = t.TempDir(), 0.4 }))
	if !kept.StoresPictures || kept.Models[0].Measured != nil {
		t.Errorf("with an archive and another threshold: got %+v", kept)
	}
}

func TestPageAndHealth(t *testing.T) {
	s := start(t, testConfig())
	for path, kind := range map[string]string{"/": "text/html; charset=utf-8", "/healthz": "application/json", "/readyz": "application/json"} {
		a := s.do(http.MethodGet, path, nil)
		if a.status != http.StatusOK || a.header.Get("Content-Type") != kind || a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: status %d, headers %v", path, a.status, a.header)
		}
	}
}

func TestMapsProb(t *testing.T) {
	s := start(t, testConfig())
	a := s.post("/v1/localize?maps=prob", picturePNG(t, 40, 30))
	var b struct{ Maps map[string]string }
	if err := json.Unmarshal(a.body, &b); err != nil || a.status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", a.status, err, a.body)
	}
	if len(b.Maps) != 1 || !strings.HasPrefix(b.Maps["prob"], "data:image/png;base64,") {
		t.Errorf("maps are %v, expected only prob, as a data: URL", b.Maps)
	}
}
