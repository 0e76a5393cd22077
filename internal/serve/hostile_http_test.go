package serve

import (
	"strings"
	"testing"
	"time"
)

// hostilePaths are unknown paths, and methods that a path does not have.
func hostilePaths() []hostile {
	var list []hostile
	for _, path := range []string{
		"/nope", "/v1", "/v1/", "/V1/models", "/v1/localize/", "/v1/models/", "/v1/models/x", "/v2/models", "/..", "/../etc/passwd", "/../../../../etc/passwd",
		"/v1/../etc/passwd", "/v1/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/%2e%2e%2fetc%2fpasswd", "/..%5c..%5cboot.ini", `/..\..\boot.ini`, "//", "//etc/passwd",
		"///", "/.", "/./", "/./v1/models", "/v1//models", "/v1/models/..", "/v1/models/.", "/%00", "/v1/models%00", "/assets", "/assets/", "/assets/..", "/assets/../server.go",
		"/assets/%2e%2e/index.html", "/assets/..%2findex.html", "/assets//etc/passwd", "/assets/%2fetc%2fpasswd", "/assets/nope.js", "/index.html", "/web/index.html", "/.git/config",
		"/.env", "/server.go", "/debug/pprof/", "/v1/maps", "/v1/maps/", "/v1/maps/x", "/v1/maps/x/prob.png", "/v1/maps/../../etc/passwd", "/v1/maps/%2e%2e/x",
		"/v1/maps/x/..%2f..%2fetc%2fpasswd", "/wp-login.php", "/cgi-bin/sh", "/metrics/", "/healthz/x", "/openapi.json", "/" + strings.Repeat("a/", 4000), "/%c0%ae%c0%ae/", "/v1/models;x",
		"/v1/models?x=1", "/healthz?x=1", "/?x=1", "/metrics?name[]=up",
	} {
		list = append(list, hostile{name: "GET " + shortened(path), raw: rawRequest("GET", path, nil)})
	}
	for _, line := range []string{
		"GET /v1/localize", "HEAD2 /v1/localize", "PUT /v1/localize", "DELETE /v1/localize", "PATCH /v1/batch", "GET /v1/batch", "POST /v1/models", "DELETE /v1/models", "POST /",
		"PUT /assets/x", "POST /healthz", "POST /metrics", "TRACE /", "TRACE /v1/localize", "OPTIONS /v1/localize", "OPTIONS /", "OPTIONS *", "CONNECT localhost:22", "CONNECT /v1/localize",
		"post /v1/localize", "PROPFIND /", "X /", "GET http://other.example/v1/nope", "POST /v1/maps/x/prob.png",
	} {
		method, path, _ := strings.Cut(line, " ")
		list = append(list, hostile{name: line, raw: rawRequest(method, path, nil)})
	}
	return append(list, hostile{name: "GET with a body", raw: rawRequest("GET", "/v1/models", []byte("hello"))})
}

// hostileProtocol is invalid or incomplete HTTP.
func hostileProtocol(t *testing.T) []hostile {
	const post = "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\n"
	const get = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
	var list []hostile
	add := func(name, raw string) { list = append(list, hostile{name: "HTTP: " + name, raw: []byte(raw)}) }
	add("not HTTP", "hello\r\n\r\n")
	add("no version", "GET /\r\n\r\n")
	add("version 3.0", "GET / HTTP/3.0\r\nHost: x\r\n\r\n")
	add("version 1.9", "GET / HTTP/x.9\r\nHost: x\r\n\r\n")
	add("no path", "GET  HTTP/1.1\r\nHost: x\r\n\r\n")
	add("a path without a slash", "GET v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
	add("a method with a colon", "G:T / HTTP/1.1\r\nHost: x\r\n\r\n")
	add("SSH", "SSH-2.0-OpenSSH_9.6\r\n\r\n")
	add("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
	add("no host", "GET /v1/models HTTP/1.1\r\n\r\n")
	add("two hosts", "GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	add("an invalid host", "GET /v1/models HTTP/1.1\r\nHost: a b\r\n\r\n")
	add("a header without a colon", get+"hello\r\n\r\n")
	add("a space before the colon", get+"X : y\r\n\r\n")
	add("a header's name with a zero", get+"X\x00: y\r\n\r\n")
	add("a header's value with a zero", get+"X: \x00\r\n\r\n")
	add("an invalid escape", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n")
	add("a header of 100 kB", get+"X: "+strings.Repeat("x", 100_000)+"\r\n\r\n")
	add("10000 headers", get+strings.Repeat("X: y\r\n", 10_000)+"\r\n")
	add("a line of 100 kB", "GET /"+strings.Repeat("x", 100_000)+" HTTP/1.1\r\nHost: x\r\n\r\n")
	add("length -1", post+"Content-Length: -1\r\n\r\n")
	add("length x", post+"Content-Length: x\r\n\r\n")
	add("length 1e3", post+"Content-Length: 1e3\r\n\r\n")
	add("a length beyond 64 bits", post+"Content-Length: 99999999999999999999\r\n\r\n")
	add("a length of a terabyte", post+"Content-Length: 1099511627776\r\n\r\nx")
	add("two lengths", post+"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
	add("less than its length", post+"Content-Length: 500\r\n\r\nhello")
	add("an unknown transfer encoding", post+"Transfer-Encoding: gzip\r\n\r\n")
	add("two transfer encodings", post+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	add("an invalid chunk size", post+"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n")
	add("a chunk of 2^64", post+"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n")
	add("a chunk that ends early", post+"Transfer-Encoding: chunked\r\n\r\n10\r\nhello")
	add("a chunk without an end", post+"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX")
	add("chunks without an end", post+"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	add("chunks of text", post+"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	add("too many chunks", post+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 300)+"0\r\n\r\n")
	add("an unknown expectation", post+"Expect: miracles\r\nContent-Length: 5\r\n\r\nhello")
	for _, encoding := range []string{"gzip", "br", "deflate", "zstd", "gzip, gzip", "x"} {
		list = append(list, posted("Content-Encoding "+encoding, picturePNG(t, 16, 16), "Content-Encoding: "+encoding))
	}
	return append(list, hostileSlowness()...)
}

// hostileSlowness is HTTP that stops in the middle, or arrives byte by byte.
func hostileSlowness() []hostile {
	const post = "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\n"
	var list []hostile
	slow := func(name, raw string) {
		list = append(list, hostile{name: "slow: " + name, raw: []byte(raw), slow: true})
	}
	slow("half of the headers", post)
	slow("half a line", "POST /v1/loc")
	slow("no body", post+"Content-Length: 500\r\n\r\n")
	slow("half a body", post+"Content-Length: 500\r\n\r\n"+strings.Repeat("x", 250))
	slow("half a chunk", post+"Transfer-Encoding: chunked\r\n\r\n500\r\n"+strings.Repeat("x", 250))
	slow("half a form", post+"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 500\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nx")
	slow("half of the headers of a part", post+"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 500\r\n\r\n--B\r\nContent-Disp")
	slow("half a batch", strings.Replace(post, "localize", "batch", 1)+"Content-Length: 500\r\n\r\nx")
	drip := func(name, raw string) {
		list = append(list, hostile{name: "byte by byte: " + name, raw: []byte(raw), slow: true, drip: 50 * time.Millisecond})
	}
	drip("the headers", post+"X-Head: "+strings.Repeat("x", 60))
	drip("the body", post+"Content-Length: 500\r\n\r\n"+strings.Repeat("x", 60))
	drip("chunks", post+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat("1\r\nx\r\n", 20))
	return list
}

// hostileStrangers are requests without the right token, host or origin.
func hostileStrangers(t *testing.T) []hostile {
	data := picturePNG(t, 16, 16)
	var list []hostile
	add := func(name string, headers ...string) {
		list = append(list, hostile{name: "stranger: " + name, raw: rawRequest("POST", target, data, headers...), guarded: true})
	}
	add("no token")
	for _, value := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer righ", "Bearer rightt", "Bearer right x", "Basic right", "right", "Bearer RIGHT", "Bearer " + strings.Repeat("x", 9000)} {
		add("token "+shortened(value), "Authorization: "+value)
	}
	const token = "Authorization: Bearer right"
	add("of another site", token, "Sec-Fetch-Site: cross-site")
	add("of another site, without a token", "Sec-Fetch-Site: cross-site")
	add("of another host of the site", token, "Sec-Fetch-Site: same-site")
	add("of another origin", token, "Origin: http://evil.example")
	add("of no origin", token, "Origin: null")
	for _, host := range []string{"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost:8080@evil.example", "[::2]:80"} {
		raw := strings.Replace(string(rawRequest("POST", target, data, token)), "Host: localhost", "Host: "+host, 1)
		list = append(list, hostile{name: "stranger: to " + host, raw: []byte(raw), guarded: true})
	}
	for _, path := range []string{"/v1/models", "/metrics"} {
		list = append(list, hostile{name: "stranger: " + path, raw: rawRequest("GET", path, nil), guarded: true})
	}
	return list
}
