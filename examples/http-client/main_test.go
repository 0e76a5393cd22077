package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A busy server is asked again, with the same picture and token.
func TestLocalizeWaitsForABusyServer(t *testing.T) {
	t.Setenv("DECLIP_TOKEN", "secret")
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "pixels" || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("request %d: body %q (%v), headers %v", requests, body, err, r.Header)
		}
		if requests == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		io.WriteString(w, `{"score": 0.75, "regions": [{"box": [1, 2, 3, 4], "mean": 0.5}]}`)
	}))
	defer server.Close()
	r, err := localize(context.Background(), server.URL, pictureFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if requests != 2 || r.Score != 0.75 || len(r.Regions) != 1 || r.Regions[0].Box != [4]int{1, 2, 3, 4} {
		t.Errorf("after %d requests: got %+v", requests, *r)
	}
}

func TestLocalizeReportsRefusals(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"error": {"code": "bad_picture", "message": "it is text"}}`, "it is text (bad_picture)"},
		{"<html>", "422"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			io.WriteString(w, c.body)
		}))
		_, err := localize(context.Background(), server.URL, pictureFile(t))
		server.Close()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, expected %q", c.body, err, c.want)
		}
	}
}

func pictureFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture.jpg")
	if err := os.WriteFile(path, []byte("pixels"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
