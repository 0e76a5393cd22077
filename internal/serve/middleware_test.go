package serve

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/serve/outbound"
)

func TestToken(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.Token = "right" }))
	a := s.post("/v1/localize", picturePNG(t, 16, 16))
	refused(t, a, http.StatusUnauthorized, codeToken)
	if a.header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	if a := s.post("/v1/localize?maps=none", picturePNG(t, 16, 16), "Authorization", "bearer right"); a.status != http.StatusOK {
		t.Errorf("with the token: status %d, %s", a.status, a.body)
	}
	for _, open := range []string{"/", "/healthz", "/readyz", "/openapi.yaml"} {
		if a := s.do(http.MethodGet, open, nil); a.status != http.StatusOK {
			t.Errorf("%s: status %d", open, a.status)
		}
	}
	refused(t, s.do(http.MethodGet, "/metrics", nil), http.StatusUnauthorized, codeToken)
	if log := s.log.String(); strings.Contains(log, "right") {
		t.Errorf("the log holds the token: %s", log)
	}
}

func TestHosts(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.Hosts = []string{"localhost", "declip.example"} }))
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:80": 200, "127.0.0.1:8080": 200, "[::1]:80": 200, "127.8.8.8": 200, "declip.example.": 200,
		"evil.example": 403, "localhost.evil.example": 403, "192.168.0.1": 403,
	} {
		request := httptest.NewRequest(http.MethodGet, "/v1/models", nil)
		request.Host = host
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, request)
		if w.Code != want {
			t.Errorf("host %s: status %d, expected %d", host, w.Code, want)
		}
	}
}

// A host may be known with its port only. That of the public URL is known, and its pages may call.
func TestHostsWithPorts(t *testing.T) {
	s := start(t, configured(func(c *Config) {
		c.Hosts, c.PublicURL = []string{"declip.example:8443", "[2001:db8::1]:80"}, "http://public.example:8081/declip"
	}))
	for host, want := range map[string]int{
		"declip.example:8443": 200, "DECLIP.example:8443": 200, "declip.example": 403, "declip.example:80": 403,
		"[2001:db8::1]:80": 200, "[2001:db8::1]": 403, "public.example:8081": 200, "public.example": 200, "other.example": 403,
	} {
		request := httptest.NewRequest(http.MethodGet, "/v1/models", nil)
		request.Host = host
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, request)
		if w.Code != want {
			t.Errorf("host %s: status %d, expected %d", host, w.Code, want)
		}
	}
	// A proxy that leaves the port out of Host must not make the server's own page a foreign one.
	for origin, want := range map[string]int{"http://public.example:8081": 200, "http://public.example": 200, "http://evil.example": 403} {
		request := httptest.NewRequest(http.MethodPost, "/v1/localize?maps=none", bytes.NewReader(picturePNG(t, 8, 8)))
		request.Host = "public.example"
		request.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, request)
		if w.Code != want {
			t.Errorf("origin %s: status %d, expected %d", origin, w.Code, want)
		}
	}
	for _, host := range []string{"", ":80", "https://declip.example", "a b", "a:b:c"} {
		if err := configured(func(c *Config) { c.Hosts = []string{host} }).Validate(); err == nil {
			t.Errorf("host %q is accepted", host)
		}
	}
}

func TestOrigins(t *testing.T) {
	const friend = "https://friend.example"
	data := picturePNG(t, 16, 16)
	closed, open := start(t, testConfig()), start(t, configured(func(c *Config) { c.Origins = []string{friend} }))
	a := closed.post("/v1/localize?maps=none", data, "Origin", friend)
	refused(t, a, http.StatusForbidden, codeForbidden)
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("access is allowed without an origin in the settings")
	}
	a = open.post("/v1/localize?maps=none", data, "Origin", friend, "Sec-Fetch-Site", "cross-site")
	if a.status != http.StatusOK || a.header.Get("Access-Control-Allow-Origin") != friend || a.header.Get("Vary") != "Origin" {
		t.Errorf("status %d, headers %v", a.status, a.header)
	}
	refused(t, open.post("/v1/localize", data, "Origin", "https://evil.example"), http.StatusForbidden, codeForbidden)
	a = open.do(http.MethodOptions, "/v1/localize", nil, "Origin", friend, "Access-Control-Request-Method", "POST")
	if a.status != http.StatusNoContent || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: status %d, headers %v", a.status, a.header)
	}
}

func TestLogHasNothingOfThePicture(t *testing.T) {
	s := start(t, testConfig())
	body, kind := form(t, map[string][]byte{"secret-name.png": picturePNG(t, 16, 16)}, "secret-name.png")
	if a := s.post("/v1/localize?maps=links", body, "Content-Type", kind); a.status != http.StatusOK {
		t.Fatalf("status %d", a.status)
	}
	eventually(t, "the request is logged", func() bool { return strings.Contains(s.log.String(), `"route":"/v1/localize"`) })
	log := s.log.String()
	for _, secret := range []string{"secret-name", "/v1/maps/", "sha256"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q: %s", secret, log)
		}
	}
	if !strings.Contains(log, `"pixels":256`) || !strings.Contains(log, `"model":"fake"`) {
		t.Errorf("the log lacks size or model: %s", log)
	}
}

func TestMetrics(t *testing.T) {
	s := start(t, configured(func(c *Config) { c.Version = "v7" }))
	s.post("/v1/localize", picturePNG(t, 16, 16))
	s.post("/v1/localize", []byte("nothing"))
	var text string
	eventually(t, "both requests are counted", func() bool {
		text = string(s.do(http.MethodGet, "/metrics", nil).body)
		return strings.Contains(text, `declip_requests_total{route="/v1/localize",status="415"} 1`)
	})
	for _, line := range []string{
		`declip_requests_total{route="/v1/localize",status="200"} 1`, `declip_pictures_total{model="fake"} 1`, `declip_queue_limit{model="fake"} 32`,
		`declip_queue_pictures{model="fake"} 0`, `declip_memory_bytes{use="work"} 0`, `declip_build_info{version="v7"} 1`, `declip_stage_seconds_count{model="fake",stage="network"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for _, c := range []struct {
		addr string
		ok   bool
	}{
		{"93.184.215.14:80", true}, {"8.8.8.8:443", true}, {"[2606:4700:4700::1111]:443", true},
		{"8.8.8.8:22", false}, {"127.0.0.1:80", false}, {"127.9.9.9:80", false}, {"0.0.0.0:80", false}, {"10.1.2.3:80", false}, {"172.16.0.1:80", false},
		{"192.168.1.1:80", false}, {"169.254.169.254:80", false}, {"100.64.0.1:80", false}, {"192.0.0.8:80", false}, {"198.18.0.1:80", false}, {"224.0.0.1:80", false},
		{"240.0.0.1:80", false}, {"255.255.255.255:80", false}, {"[::1]:80", false}, {"[::]:80", false}, {"[fe80::1]:80", false}, {"[fc00::1]:80", false},
		{"[fd00:ec2::254]:80", false}, {"[ff02::1]:80", false}, {"[::ffff:127.0.0.1]:80", false}, {"[::ffff:10.0.0.1]:80", false}, {"[64:ff9b::7f00:1]:80", false},
		{"[2002:7f00:1::]:80", false}, {"[::ffff:0:7f00:1]:80", false}, {"[2001:0:1::1]:80", false}, {"[::7f00:1]:80", false},
	} {
		if err := outbound.PublicOnly(netip.MustParseAddrPort(c.addr)); (err == nil) != c.ok {
			t.Errorf("%s: %v, expected public %v", c.addr, err, c.ok)
		}
	}
}

// fetching is a server that may fetch from another one on this machine, and from no other local
// address.
func fetching(t *testing.T, files http.Handler) (s *running, source string) {
	t.Helper()
	other := httptest.NewServer(files)
	t.Cleanup(other.Close)
	s = start(t, configured(func(c *Config) { c.Fetch = true; c.MaxBytes = 1 << 16; c.Timeout = 5 * time.Second }))
	allowed := netip.MustParseAddrPort(other.Listener.Addr().String())
	s.fetcher = newFetcherWith(s.config.MaxBytes, s.config.patience, func(a netip.AddrPort) error {
		if a == allowed {
			return nil
		}
		return outbound.PublicOnly(a)
	})
	return s, other.URL
}

func TestFetch(t *testing.T) {
	data := picturePNG(t, 16, 16)
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }))
	t.Cleanup(private.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/a.png", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<17)) })
	mux.HandleFunc("/text", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	mux.Handle("/on", http.RedirectHandler("/a.png", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.Handle("/private", http.RedirectHandler(private.URL, http.StatusFound))
	mux.Handle("/file", http.RedirectHandler("file:///etc/passwd", http.StatusFound))
	s, source := fetching(t, mux)
	ask := func(address string) reply { return s.post("/v1/localize?maps=none&url="+url.QueryEscape(address), nil) }
	for _, path := range []string{"/a.png", "/on"} {
		if a := ask(source + path); a.status != http.StatusOK || decode[resultBody](t, a).Width != 16 {
			t.Errorf("%s: status %d, %s", path, a.status, a.body)
		}
	}
	for path, want := range map[string]int{"/big": 413, "/text": 415, "/nope": 422, "/loop": 422, "/private": 403, "/file": 422} {
		if a := ask(source + path); a.status != want || len(decode[errorBody](t, a).Error.Message) == 0 {
			t.Errorf("%s: status %d, %s, expected %d", path, a.status, a.body, want)
		}
	}
	for address, want := range map[string]int{
		private.URL: 403, "http://localhost/": 403, "http://169.254.169.254/": 403, "ftp://example.org/": 400, "http://": 400, "http://user:word@example.org/": 400, "%": 400,
	} {
		if a := ask(address); a.status != want {
			t.Errorf("%s: status %d, %s, expected %d", address, a.status, a.body, want)
		}
	}
	refused(t, s.post("/v1/localize?url="+source, data), http.StatusBadRequest, codeRequest)
	eventually(t, "the memory is returned", func() bool { return s.in.used.Load() == 0 })
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	s := start(t, configured(func(c *Config) { c.Archive = dir }), Model{Name: "../m", Localizer: &fake{}})
	body, kind := form(t, map[string][]byte{"x.png": picturePNG(t, 16, 16)}, "x.png")
	got := decode[resultBody](t, s.post("/v1/localize?maps=none", body, "Content-Type", kind))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{got.SHA256 + "..._m.json", got.SHA256 + "..._m.prob.png", got.SHA256 + ".png"}; !slices.Equal(names, want) {
		t.Errorf("the archive has %v", names)
	}
	kept, err := os.ReadFile(filepath.Join(dir, got.SHA256+".png"))
	if err != nil || string(kept) != string(picturePNG(t, 16, 16)) {
		t.Errorf("the archived picture differs (%v)", err)
	}
}

// The files of the archive are their owner's at every moment, and one that cannot be written does
// not fail a request.
func TestArchiveIsPrivate(t *testing.T) {
	dir := t.TempDir()
	s := start(t, configured(func(c *Config) { c.Archive = dir }))
	s.post("/v1/localize?maps=none", picturePNG(t, 16, 16))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Fatalf("%d files: %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

func TestArchiveThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	s := start(t, configured(func(c *Config) { c.Archive = dir }))
	for range 2 {
		if a := s.post("/v1/localize?maps=prob", picturePNG(t, 16, 16)); a.status != http.StatusOK || decode[resultBody](t, a).Maps == nil {
			t.Errorf("status %d: %s", a.status, a.body)
		}
	}
	if lines := s.log.errorLines(); len(lines) != 2 || !strings.Contains(lines[0], "not archived") {
		t.Errorf("the log has %q", lines)
	}
	if text := string(s.do(http.MethodGet, routeMetrics, nil).body); !strings.Contains(text, "\ndeclip_archive_failures_total 2\n") {
		t.Error("the failures are not counted")
	}
}

func TestLinksExpire(t *testing.T) {
	l := newLinks(1000, time.Minute)
	add := func(size int) *mapURLs {
		u, err := l.add([]namedPNG{{viewProb, make([]byte, size)}}, "")
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	find := func(u *mapURLs) []byte {
		parts := strings.Split(u.Prob, "/")
		return l.get(parts[3], parts[4])
	}
	first, second := add(400), add(400)
	if find(first) == nil || find(second) == nil {
		t.Error("two maps with room for both are missing")
	}
	third := add(400)
	if find(first) != nil || find(second) == nil || find(third) == nil {
		t.Error("the oldest is not dropped for a new one")
	}
	l.ttl = -time.Second
	if expired := add(10); find(expired) != nil {
		t.Error("an expired link still works")
	}
	if _, err := l.add([]namedPNG{{viewProb, make([]byte, 2000)}}, ""); err == nil {
		t.Error("maps larger than all room are accepted")
	}
}
