package serve

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func TestAccepted(t *testing.T) {
	for header, want := range map[string]string{
		"":                                       typeJSON,
		"*/*":                                    typeJSON,
		"text/html":                              typeJSON,
		"nonsense, ;;;, a/b;q=x":                 typeJSON,
		"image/png":                              typePNG,
		"IMAGE/PNG":                              typePNG,
		"image/*":                                typePNG,
		"image/png;q=0, application/json":        typeJSON,
		"image/png;q=0":                          typeJSON,
		"image/png;q=0, */*":                     typeJSON,
		"image/png;q=0, image/*, */*;q=0.1":      typeJSON,
		"image/png;q=0.1, application/json;q=.9": typeJSON,
		"application/json;q=0.1, image/png;q=.2": typePNG,
		"application/json;q=0, */*":              typePNG,
		"application/json, image/png":            typeJSON,
		"image/png, application/json":            typePNG,
		"image/png;q=2, application/json;q=0.1":  typeJSON,
		"application/vnd.coco.rle+json":          typeRLE,
		"application/*, image/png;q=0.5":         typeJSON,
		"text/html, application/json;q=0.9, application/vnd.coco.rle+json;q=0.95": typeRLE,
		"image/png; q=0.5; x=y, application/json; q=0.5":                          typePNG,
	} {
		if got, err := accepted([]string{header}); err != nil || got != want {
			t.Errorf("%q: %q, %v, expected %q", header, got, err, want)
		}
	}
	if got, _ := accepted([]string{"text/html", "image/png"}); got != typePNG {
		t.Errorf("two headers: %q, expected %q", got, typePNG)
	}
	for _, header := range []string{"application/json;q=0", "*/*;q=0", "*/*;q=0, image/png;q=0", "application/*;q=0"} {
		if got, err := accepted([]string{header}); err == nil {
			t.Errorf("%q: %q, expected an error", header, got)
		}
	}
}

func TestAcceptOverHTTP(t *testing.T) {
	s := start(t, testConfig())
	data := picturePNG(t, 16, 16)
	for _, header := range []string{"image/png;q=0, application/json", "image/png;q=0.1, application/json;q=0.9"} {
		if a := s.post("/v1/localize?maps=none", data, "Accept", header); a.status != http.StatusOK || a.header.Get("Content-Type") != typeJSON {
			t.Errorf("%q: status %d, %s", header, a.status, a.header.Get("Content-Type"))
		}
	}
	refused(t, s.post("/v1/localize", data, "Accept", "*/*;q=0"), http.StatusNotAcceptable, codeRequest)
}

// Behind a path prefix, links work: with the prefix that the proxy says, or with --public-url.
func TestLinksBehindAPrefix(t *testing.T) {
	data := picturePNG(t, 16, 16)
	plain := start(t, testConfig())
	for prefix, want := range map[string]string{
		"":                             "/v1/maps/",
		"/declip":                      "/declip/v1/maps/",
		"/a/b.c_d-e~/":                 "/a/b.c_d-e~/v1/maps/",
		"/":                            "/v1/maps/",
		"//evil.example":               "/v1/maps/",
		"https://evil.example":         "/v1/maps/",
		"/a/../b":                      "/v1/maps/",
		`/\evil.example`:               "/v1/maps/",
		"/<script>":                    "/v1/maps/",
		"/a b":                         "/v1/maps/",
		"/" + strings.Repeat("x", 300): "/v1/maps/",
	} {
		a := plain.post("/v1/localize?maps=links", data, "X-Forwarded-Prefix", prefix, "X-Forwarded-Host", "evil.example")
		maps := decode[resultBody](t, a).Maps
		for _, link := range []string{maps.Prob, maps.Mask, maps.Overlay} {
			if !strings.HasPrefix(link, want) {
				t.Errorf("prefix %q: link %q, expected %q...", prefix, link, want)
			}
		}
		if a := plain.do(http.MethodGet, strings.TrimPrefix(maps.Prob, strings.TrimSuffix(want, "/v1/maps/")), nil); a.status != http.StatusOK {
			t.Errorf("prefix %q: the link gives status %d", prefix, a.status)
		}
	}
	public := start(t, configured(func(c *Config) { c.PublicURL = "https://declip.example/x/" }))
	a := public.post("/v1/localize?maps=links", data, "X-Forwarded-Prefix", "/y")
	if link := decode[resultBody](t, a).Maps.Overlay; !strings.HasPrefix(link, "https://declip.example/x/v1/maps/") {
		t.Errorf("with a public URL: %q", link)
	}
	for _, text := range []string{"declip.example", "ftp://declip.example", "https://", "https://u:p@declip.example", "https://declip.example/?x", "%"} {
		if err := configured(func(c *Config) { c.PublicURL = text }).Validate(); err == nil {
			t.Errorf("public URL %q is accepted", text)
		}
	}
}

// Pictures that are sent in a wrapping are refused by its name.
func TestWrappedPictures(t *testing.T) {
	s := start(t, testConfig())
	data := picturePNG(t, 64, 64)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(data)
	z.Close()
	text := base64.StdEncoding.EncodeToString(data)
	body, _ := form(t, map[string][]byte{"a.png": data}, "a.png")
	for sent, want := range map[string]string{
		packed.String():                       "gzip",
		text:                                  "base64",
		text[:76] + "\r\n" + text[76:] + "\n": "base64",
		base64.RawURLEncoding.EncodeToString(data):                                              "base64",
		base64.StdEncoding.EncodeToString([]byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00 and so on")): "base64",
		"data:image/png;base64," + text:                                                         "a data: URL",
		`{"image":"` + text + `"}`:                                                              "JSON",
		`"` + text + `"`:                                                                        "JSON",
		"image=" + text:                                                                         "URL-encoded",
		string(body):                                                                            "without its Content-Type",
		"PK\x03\x04 and so on":                                                                  "ZIP",
	} {
		a := s.post("/v1/localize", []byte(sent))
		refused(t, a, http.StatusUnsupportedMediaType, codeEncoding)
		if !strings.Contains(string(a.body), want) {
			t.Errorf("%.20q: %s, expected it to name %s", sent, a.body, want)
		}
	}
	for _, sent := range []string{"hello", "aGVsbG8gd29ybGQ=", "x"} {
		refused(t, s.post("/v1/localize", []byte(sent)), http.StatusUnsupportedMediaType, codePicture)
	}
	refused(t, s.post("/v1/localize", packed.Bytes(), "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType, codeEncoding)
}
