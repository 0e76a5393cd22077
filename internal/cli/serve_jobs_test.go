package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// requested sends a request to a server and gives the body of the response, which must have the
// given status.
func requested(t *testing.T, method, address, body string, status int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != status {
		t.Fatalf("%s %s: status %d, %v: %s", method, address, a.StatusCode, err, data)
	}
	return string(data)
}

// A server with jobs gives the records that "declip localize --json" prints for the same pictures,
// byte for byte, and the same map. Its jobs outlive it.
func TestServeJobsGivesTheRecordsOfLocalize(t *testing.T) {
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	dir := t.TempDir()
	sample, err := filepath.Abs(filepath.Join("..", "..", "testdata", "sample"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "photos"), os.DirFS(sample)); err != nil {
		t.Fatal(err)
	}
	var localized string
	t.Run("localize", func(t *testing.T) {
		t.Chdir(dir) // for the names of the pictures, which are the keys of the source
		localized = ran(t, exitOK, "localize", "--json", "-o", "out", "photos")
	})
	flags := []string{"--jobs", filepath.Join(dir, "jobs"), "--source", "inbox=" + dir}
	var id string
	t.Run("submit", func(t *testing.T) {
		at := serving(t, flags...)
		submitted := requested(t, http.MethodPost, at+"/v1/jobs", `{"source": "inbox", "prefix": "photos/", "maps": "all"}`, http.StatusAccepted)
		var st struct{ ID string }
		if err := json.Unmarshal([]byte(submitted), &st); err != nil || st.ID == "" {
			t.Fatalf("%v: %s", err, submitted)
		}
		id = st.ID
		records := requested(t, http.MethodGet, at+"/v1/jobs/"+id+"/results?follow=1", "", http.StatusOK)
		want, got := heads(t, localized, `,"files":`), heads(t, records, `,"item":`)
		if len(want) < 2 || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got records\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		var first struct{ Files files }
		if err := json.Unmarshal([]byte(strings.Split(localized, "\n")[0]), &first); err != nil {
			t.Fatal(err)
		}
		prob := requested(t, http.MethodGet, at+"/v1/jobs/"+id+"/maps/0/prob.png", "", http.StatusOK)
		if want := readAll(t, filepath.Join(dir, first.Files.Prob)); !bytes.Equal([]byte(prob), want) {
			t.Errorf("the map has %d bytes, %s has %d others", len(prob), first.Files.Prob, len(want))
		}
		awaitMetrics(t, "serve", at+"/metrics", "declip_queue_up 1", "declip_workers 1", `declip_jobs{state="done"} 1`,
			`declip_jobs_ended_total{state="done"} 1`, `declip_requests_total{route="/v1/jobs",status="202"} 1`)
		requested(t, http.MethodPost, at+"/v1/jobs", `{"source": "local", "prefix": ""}`, http.StatusBadRequest)
	})
	t.Run("start again", func(t *testing.T) {
		at := serving(t, flags...)
		if text := requested(t, http.MethodGet, at+"/v1/jobs/"+id, "", http.StatusOK); !strings.Contains(text, `"state":"done"`) {
			t.Errorf("got %s", text)
		}
	})
}

func TestServeJobsUsage(t *testing.T) {
	for _, flags := range [][]string{
		{"--source", "inbox=/tmp"},
		{"--jobs", "jobs"},
		{"--jobs", "jobs", "--nats", "tls://head:4222", "--store", "/tmp", "--source", "inbox=/tmp"},
		{"--nats", "tls://head:4222", "--source", "inbox=/tmp"},
		{"--jobs", "jobs", "--source", "local=/"},
		{"--jobs", "jobs", "--source", "inbox=/tmp", "--quota", "-1"},
		{"--quota", "5"},
	} {
		ran(t, exitUsage, append([]string{"serve"}, flags...)...)
	}
}

func TestReadTenants(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tenants")
	for text, want := range map[string]int{"": 0, "# all\n\nacme abc\nother-1 def": 2, "acme": -1, "a/b abc": -1, "acme a b": -1} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := readTenants(file)
		if want < 0 && (err == nil || !strings.Contains(err.Error(), file+":1")) || want >= 0 && (err != nil || len(list) != want) {
			t.Errorf("%q: got %v, %v", text, list, err)
		}
	}
}
