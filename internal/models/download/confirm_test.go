package download

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// drive imitates Google Drive: the first address leads to a page that asks, and the form on it
// leads to the file, for which its values are needed.
func drive(t *testing.T, action string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/uc", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/ask?"+r.URL.RawQuery, http.StatusSeeOther)
	})
	mux.HandleFunc("/ask", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!DOCTYPE html><title>Google Drive - Virus scan warning</title><p>a.pth (873M) is too large to scan.</p>
<form id="download-form" action="%s" method="get"><input type="submit" id="uc-download-link" value="Download anyway"/>
<input type="hidden" name="id" value="%s"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="a&amp;b"></form>`, action, r.URL.Query().Get("id"))
	})
	mux.HandleFunc("/download", func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("id") != "1tyO" || q.Get("confirm") != "t" || q.Get("uuid") != "a&b" {
			http.Error(w, "not confirmed", http.StatusForbidden)
			return
		}
		good("v1", content)(w, r)
	})
	mux.HandleFunc("/full", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><title>Google Drive - Quota exceeded</title></html>")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestConfirm(t *testing.T) {
	s := drive(t, "/download")
	request := Request{URL: s.URL + "/uc?export=download&id=1tyO", AllowHTTP: true, Path: filepath.Join(t.TempDir(), "a.pth"),
		SHA256: digest(content), Confirm: true}
	result, err := new(Client).Get(t.Context(), request)
	if err != nil || result.Size != int64(len(content)) {
		t.Fatalf("got %+v and error %v", result, err)
	}
	for address, c := range map[string]struct {
		confirm bool
		want    string
	}{
		s.URL + "/uc?export=download&id=1tyO": {false, "got a web page"},
		s.URL + "/full":                       {true, "Quota exceeded"},
		drive(t, "https://elsewhere.example/download").URL + "/ask?id=a": {true, "leads from http://127.0.0.1"},
		drive(t, "ftp://[broken").URL + "/ask?id=a":                      {true, "the page's form"},
		drive(t, "/ask").URL + "/uc?export=download&id=1tyO":             {true, "got a web page"},
	} {
		request.URL, request.Confirm, request.Path = address, c.confirm, filepath.Join(t.TempDir(), "b.pth")
		if _, err := new(Client).Get(t.Context(), request); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, expected %q in it", address, err, c.want)
		}
	}
}
