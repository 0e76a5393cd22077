package serve

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// The examples of docs/serve.md work as they are printed. They are read by a small part of nginx,
// which knows the directives that they have and no others.

// directive is one of nginx, with the block that follows it.
type directive struct {
	words []string
	block []directive
}

// parseNginx reads directives up to the end of the text or of the block.
func parseNginx(tokens []string) (list []directive, rest []string) {
	var d directive
	for len(tokens) > 0 {
		token := tokens[0]
		tokens = tokens[1:]
		switch token {
		case ";":
			list, d = append(list, d), directive{}
		case "{":
			d.block, tokens = parseNginx(tokens)
			list, d = append(list, d), directive{}
		case "}":
			return list, tokens
		default:
			d.words = append(d.words, token)
		}
	}
	return list, nil
}

// nginxExamples are the blocks of docs/serve.md that configure nginx.
func nginxExamples(t *testing.T) (examples [][]directive) {
	t.Helper()
	page, err := os.ReadFile("../../docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(page), "```") {
		if i%2 == 0 || !strings.Contains(block, "proxy_pass") {
			continue
		}
		var tokens []string
		for line := range strings.Lines(strings.TrimPrefix(block, "nginx\n")) {
			line, _, _ = strings.Cut(line, "#")
			for _, mark := range []string{";", "{", "}"} {
				line = strings.ReplaceAll(line, mark, " "+mark+" ")
			}
			tokens = append(tokens, strings.Fields(line)...)
		}
		list, _ := parseNginx(tokens)
		examples = append(examples, list)
	}
	return examples
}

// front is nginx as far as the examples use it.
type front struct {
	t         *testing.T
	backend   string // address to use instead of that of the examples
	locations []location
}

type location struct {
	path    string
	exact   bool
	denied  bool
	target  string // path that replaces the location's; "" for none
	headers map[string]string
}

func newFront(t *testing.T, list []directive, backend string) *front {
	t.Helper()
	f := &front{t: t, backend: backend}
	for _, d := range list {
		switch d.words[0] {
		case "server":
			inner := newFront(t, d.block, backend)
			f.locations = append(f.locations, inner.locations...)
		case "location":
			f.locations = append(f.locations, f.location(d))
		case "listen", "server_name", "ssl_certificate", "ssl_certificate_key", "client_max_body_size":
		default:
			t.Fatalf("directive %v is unknown to this test", d.words)
		}
	}
	return f
}

func (f *front) location(d directive) location {
	f.t.Helper()
	l := location{path: d.words[len(d.words)-1], exact: d.words[1] == "=", headers: map[string]string{}}
	for _, inner := range d.block {
		switch inner.words[0] {
		case "deny":
			l.denied = true
		case "proxy_pass":
			u, err := url.Parse(inner.words[1])
			if err != nil || u.Host != "127.0.0.1:8080" {
				f.t.Fatalf("%v: expected the server's usual address", inner.words)
			}
			l.target = u.Path
		case "proxy_set_header":
			l.headers[inner.words[1]] = inner.words[2]
		case "proxy_http_version", "proxy_read_timeout", "proxy_request_buffering":
		default:
			f.t.Fatalf("directive %v is unknown to this test", inner.words)
		}
	}
	return l
}

// find chooses a location as nginx does: an exact one, or the longest prefix.
func (f *front) find(path string) *location {
	var best *location
	for i := range f.locations {
		l := &f.locations[i]
		switch {
		case l.exact && l.path == path:
			return l
		case !l.exact && strings.HasPrefix(path, l.path) && (best == nil || len(l.path) > len(best.path)):
			best = l
		}
	}
	return best
}

// ServeHTTP is part of http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l := f.find(r.URL.Path)
	switch {
	case l == nil && f.find(r.URL.Path+"/") != nil:
		http.Redirect(w, r, r.URL.Path+"/", http.StatusMovedPermanently)
		return
	case l == nil:
		http.NotFound(w, r)
		return
	case l.denied:
		w.WriteHeader(http.StatusForbidden)
		return
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host = "http", f.backend
		p.Out.Host = f.backend
		if l.target != "" {
			p.Out.URL.Path = l.target + strings.TrimPrefix(p.In.URL.Path, l.path)
		}
		for name, value := range l.headers {
			switch value {
			case "$http_host":
				value = p.In.Host
			case "$host":
				value, _ = splitHost(p.In.Host)
			default:
				if strings.HasPrefix(value, "$") {
					panic("variable " + value + " is unknown to this test")
				}
			}
			if name == "Host" {
				p.Out.Host = value
			} else {
				p.Out.Header.Set(name, value)
			}
		}
	}}
	proxy.ServeHTTP(w, r)
}

// through sends a request to the proxy as a browser at declip.example does, without the headers
// that browsers send over TLS only.
func (f *front) through(method, path string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://declip.example:8443"+path, strings.NewReader(string(body)))
	r.Header.Set("Origin", "http://declip.example:8443")
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func TestNginxExamples(t *testing.T) {
	examples := nginxExamples(t)
	if len(examples) != 2 {
		t.Fatalf("docs/serve.md has %d examples for nginx, expected one for a host and one for a path prefix", len(examples))
	}
	data := picturePNG(t, 32, 24)
	// The hosts that "declip serve --allow-host declip.example" knows.
	s := start(t, configured(func(c *Config) { c.Hosts = []string{"localhost", "declip.example"} }))
	for i, prefix := range []string{"", "/declip"} {
		f := newFront(t, examples[i], s.addr)
		for _, path := range []string{"/", "/assets/js/main.js", "/v1/models", "/healthz"} {
			if w := f.through(http.MethodGet, prefix+path, nil); w.Code != http.StatusOK {
				t.Errorf("%s%s: status %d, %s", prefix, path, w.Code, w.Body)
			}
		}
		if w := f.through(http.MethodGet, prefix+"/metrics", nil); w.Code != http.StatusForbidden {
			t.Errorf("%s/metrics: status %d, expected %d", prefix, w.Code, http.StatusForbidden)
		}
		w := f.through(http.MethodPost, prefix+"/v1/localize?maps=links", data)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: status %d, %s", prefix, w.Code, w.Body)
		}
		links := decode[resultBody](t, reply{body: w.Body.Bytes()}).Maps
		if !strings.HasPrefix(links.Prob, prefix+"/v1/maps/") {
			t.Errorf("behind %q a link is %s", prefix, links.Prob)
		}
		if w := f.through(http.MethodGet, links.Prob, nil); w.Code != http.StatusOK || w.Header().Get("Content-Type") != typePNG {
			t.Errorf("%s: status %d", links.Prob, w.Code)
		}
	}
	if w := newFront(t, examples[1], s.addr).through(http.MethodGet, "/declip", nil); w.Code != http.StatusMovedPermanently {
		t.Errorf("/declip: status %d, expected a redirect to /declip/", w.Code)
	}
}

// The page has no address that begins at the host's root, which would leave the prefix.
func TestPageHasRelativeAddresses(t *testing.T) {
	s := start(t, testConfig())
	page := string(s.do(http.MethodGet, "/", nil).body)
	for _, quote := range []string{`="/`, `='/`} {
		if strings.Contains(page, quote) {
			t.Errorf("the page has an address of the form %s", fmt.Sprintf("%s...", quote))
		}
	}
	if !slices.ContainsFunc(strings.Fields(page), func(word string) bool { return strings.HasPrefix(word, `src="assets/`) }) {
		t.Error("the page has no script")
	}
}
