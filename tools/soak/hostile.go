package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// hostileRequest is what a client sends that means no good. Any answer but a status of 5xx is
// right, and also no answer: the server may close the connection.
type hostileRequest struct {
	name  string
	raw   []byte
	pause time.Duration // between the bytes behind slow
	slow  int           // the first byte that is sent slowly; 0: none
	half  bool          // the client then closes its sending side
}

// slowFor is how long a slow client sends.
const slowFor = 15 * time.Second

// A hostile client tries again when it is refused because of the load, or most requests would never
// be looked at.
const (
	hostileTries = 10
	hostilePause = 300 * time.Millisecond
)

func (c *crowd) sendHostile(ctx context.Context, l *life, h hostileRequest) {
	for range hostileTries {
		if c.sendHostileOnce(ctx, l, h) != http.StatusTooManyRequests || !pause(ctx, hostilePause) || l.asked.Load() {
			return
		}
	}
}

// sendHostileOnce sends a request and reads the answer; its status is 0 if there is none.
func (c *crowd) sendHostileOnce(ctx context.Context, l *life, h hostileRequest) (status int) {
	conn, err := c.dial()
	if err != nil {
		c.unanswered(l, kindHostile, h.name, 0, err)
		return 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	go h.write(ctx, conn) // the server may answer before it has read everything
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.tally.answered(kindHostile, 0, nil)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.tally.fault(fmt.Sprintf("hostile, %s: the connection stays open for %v without an answer", h.name, patience))
		}
		return 0
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	c.tally.answered(kindHostile, response.StatusCode, response.Header)
	if response.StatusCode == http.StatusInternalServerError {
		c.tally.fault(fmt.Sprintf("hostile, %s: %.200q", h.name, body))
	}
	if err != nil && response.StatusCode == http.StatusOK {
		c.unanswered(l, kindHostile, h.name, response.StatusCode, err)
	}
	return response.StatusCode
}

// write sends the request. Errors mean that the server has closed the connection.
func (h hostileRequest) write(ctx context.Context, conn net.Conn) {
	quick := len(h.raw)
	if h.slow > 0 {
		quick = h.slow
	}
	_, err := conn.Write(h.raw[:quick])
	switch half, ok := conn.(*net.TCPConn); {
	case err != nil:
	case quick < len(h.raw):
		drip(ctx, conn, h.raw[quick:], h.pause)
	case h.half && ok:
		_ = half.CloseWrite()
	}
}

// drip sends bytes one by one until the connection or ctx ends, or slowFor is over.
func drip(ctx context.Context, conn net.Conn, data []byte, each time.Duration) {
	end := time.Now().Add(slowFor)
	for _, b := range data {
		if _, err := conn.Write([]byte{b}); err != nil || time.Now().After(end) || !pause(ctx, each) {
			break
		}
	}
	conn.Close()
}

// head is the beginning of a request with a body.
func head(length int, lines ...string) string {
	return "POST /v1/localize?maps=none HTTP/1.1\r\nHost: localhost\r\n" + strings.Join(append(lines, fmt.Sprintf("Content-Length: %d", length)), "\r\n") + "\r\n\r\n"
}

func posted(name string, body []byte, lines ...string) hostileRequest {
	return hostileRequest{name: name, raw: append([]byte(head(len(body), append(lines, "Connection: close")...)), body...)}
}

// hostileRequests are the requests of all kinds.
func hostileRequests(seed uint64) []hostileRequest {
	list := slices.Concat(mutated(seed), bombs(), wrongTypes(), brokenHTTP())
	file := encodedOnce
	whole := []byte(head(len(file)) + string(file))
	for range 6 { // they take long, but do not send often
		list = append(list,
			hostileRequest{name: "slow headers", raw: whole, slow: 10, pause: 200 * time.Millisecond},
			hostileRequest{name: "a slow body", raw: whole, slow: len(whole) - len(file), pause: 200 * time.Millisecond},
			hostileRequest{name: "a body that stops", raw: whole[:len(whole)-100], slow: len(whole) - 200, pause: 200 * time.Millisecond})
	}
	return list
}

// mutated are pictures with changed, missing and doubled bytes.
func mutated(seed uint64) (list []hostileRequest) {
	r := rand.New(rand.NewPCG(seed, 5))
	files := encodings(scene(160, 120, 1))
	for _, name := range []string{"jpeg", "png", "gif", "bmp", "tiff"} {
		for range 12 {
			data := slices.Clone(files[name])
			for range 1 + r.IntN(20) {
				data[r.IntN(len(data))] ^= byte(1 + r.IntN(255))
			}
			switch r.IntN(3) {
			case 0:
				data = data[:r.IntN(len(data))]
			case 1:
				at := r.IntN(len(data))
				data = slices.Insert(data, at, data[at/2:at]...)
			}
			list = append(list, posted("a mutated "+name, data))
		}
	}
	return list
}

// bombs are small files of large pictures.
func bombs() []hostileRequest {
	list := []hostileRequest{
		posted("gif of 65535 x 65535", []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x00;")),
		posted("webp of 16777216 x 16777216", []byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff")),
		posted("tiff with a list of 4294967295 offsets", []byte("II*\x00\x08\x00\x00\x00\x01\x00\x11\x01\x04\x00\xff\xff\xff\xff\x08\x00\x00\x00\x00\x00\x00\x00")),
	}
	for _, s := range []uint32{60000, 1<<31 - 1} {
		ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), s), s)
		ihdr = append(ihdr, 8, 2, 0, 0, 0)
		data := binary.BigEndian.AppendUint32(append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...), crc32.ChecksumIEEE(ihdr))
		list = append(list, posted(fmt.Sprintf("png of %d x %d", s, s), append(data, "\x00\x00\x00\x00IEND\xaeB`\x82"...)))
	}
	return append(list, posted("png of 1400 x 1400 black pixels", largest()))
}

// largest is a file of a few hundred bytes with nearly as many pixels as the server accepts.
func largest() []byte {
	var black bytes.Buffer
	if err := png.Encode(&black, image.NewPaletted(image.Rect(0, 0, 1400, 1400), color.Palette{color.Black, color.White})); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return black.Bytes()
}

// wrongTypes are requests that do not send a picture.
func wrongTypes() (list []hostileRequest) {
	for name, text := range map[string]string{
		"nothing": "", "text": "hello", "JSON": `{"image":"/etc/passwd"}`, "a URL": "http://127.0.0.1/", "gzip": "\x1f\x8b\x08\x00\x00\x00",
		"a data URL": "data:image/png;base64,iVBORw0KGgo=", "zeros": strings.Repeat("\x00", 1<<20), "ELF": "\x7fELF\x02\x01\x01",
	} {
		list = append(list, posted(name, []byte(text)))
	}
	// Equal seeds mean equal runs.
	slices.SortFunc(list, func(a, b hostileRequest) int { return strings.Compare(a.name, b.name) })
	return append(list,
		posted("a content encoding", []byte("x"), "Content-Encoding: gzip"),
		posted("a form without a boundary", []byte("x"), "Content-Type: multipart/form-data"),
		posted("an empty form", []byte("--b--\r\n"), "Content-Type: multipart/form-data; boundary=b"),
		posted("Accept that nothing meets", []byte("x"), "Accept: video/mp4"))
}

// brokenHTTP are requests that are wrong before their body.
func brokenHTTP() []hostileRequest {
	line := func(name, text string) hostileRequest { return hostileRequest{name: name, raw: []byte(text)} }
	half := func(name, text string) hostileRequest {
		return hostileRequest{name: name, raw: []byte(text), half: true}
	}
	many := strings.Repeat("X-A: b\r\n", 3000)
	return []hostileRequest{
		line("a header of 2 MB", "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "+strings.Repeat("a", 2<<20)+"\r\n\r\n"),
		line("3000 headers", "GET / HTTP/1.1\r\nHost: localhost\r\n"+many+"\r\n"),
		line("a path of 1 MB", "GET /"+strings.Repeat("a", 1<<20)+" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		line("no host", "GET / HTTP/1.1\r\n\r\n"),
		line("another host", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
		line("an unknown method", "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		line("a path with dots", "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		half("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		half("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		half("noise", "\x00\x01\x02\xff\xfe\r\n\r\n"),
		line("two lengths", "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
		line("a length of 10 TB", "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000000\r\n\r\n"),
		line("broken chunks", "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"),
		half("a body shorter than its length", "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"),
		line("an unknown parameter", "POST /v1/localize?threshold=NaN HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
		half("a whole request from a client that closes its sending side", head(len(encodedOnce))+string(encodedOnce)),
		line("an expectation", "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n"),
	}
}
