package download

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"unicode"
)

// A server that does not say how much it sends cannot fill the disk.
func TestEndlessFile(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		for r.Context().Err() == nil {
			if _, err := w.Write(content); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	r := fetching(t, s)
	r.SHA256, r.MaxSize = "", 10_000_000
	_, err := quick.Get(t.Context(), r)
	if !errors.Is(err, ErrMismatch) {
		t.Errorf("error %v, expected ErrMismatch", err)
	}
	expectMatch(t, err, "more than 10000000 bytes, which is the limit")
	expectFiles(t, r)
}

// A length beyond the limit is refused before anything is downloaded.
func TestHugeFile(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(defaultMaxSize+1))
		w.WriteHeader(http.StatusOK)
	})
	r := fetching(t, s)
	_, err := quick.Get(t.Context(), r)
	expectMatch(t, err, "which is the limit")
	expectFiles(t, r)
}

// What a server says is shown without control characters.
func TestServerSendsControlCharacters(t *testing.T) {
	const escape = "\x1b]0;owned\x07\x1b[2J\u202e\u009b31m"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	answers := []string{
		"HTTP/1.1 404 gone" + escape + "\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: x" + escape + "\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 302 Found\r\nLocation: http://" + escape + "/\r\nContent-Length: 0\r\n\r\n",
		"nonsense" + escape + "\r\n\r\n",
		"HTTP/1.1 404 " + strings.Repeat("x", 50_000) + "\r\nContent-Length: 0\r\n\r\n",
	}
	go func() {
		for i := 0; ; i++ {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			fmt.Fprint(c, answers[min(i, len(answers)-1)])
			c.Close()
		}
	}()
	for i := range answers {
		r := Request{URL: "http://" + listener.Addr().String() + "/x", AllowHTTP: true, Path: t.TempDir() + "/x"}
		var said []string
		r.Notice = func(text string) { said = append(said, text) }
		_, err := (&Client{Attempts: 1}).Get(t.Context(), r)
		if err == nil {
			t.Errorf("answer %d is accepted", i)
			continue
		}
		for _, text := range append(said, err.Error()) {
			if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) || c == '\u202e' }) || len(text) > 5000 {
				t.Errorf("answer %d: %.200q, expected no control characters", i, text)
			}
		}
	}
}
