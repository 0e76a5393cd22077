package models

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/models/download"
	"github.com/declip/declip/internal/nn/weights"
)

// mirror serves data under any name.
func mirror(t *testing.T, data []byte) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestPull(t *testing.T) {
	models := filepath.Join(t.TempDir(), "models")
	t.Setenv("DECLIP_MODELS", models)
	t.Chdir(t.TempDir())
	data, err := weights.Marshal([]weights.Tensor{weights.FromFloat32s("a", []int{1}, []float32{1})}, map[string]string{"note": "pulled"})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	e, _ := Lookup("declip-vit-ldm")
	if _, err := Open(e.Name); err == nil || !strings.Contains(err.Error(), `download it with "declip models pull declip-vit-ldm"`) {
		t.Errorf("before: error %v, expected one that says how to get it", err)
	}
	p, err := Pull(t.Context(), e, PullOptions{Mirror: mirror(t, data)})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(models, "ViT_layer20_conv-20_ldm.pth")
	if p.Path != path || p.Verified || p.Existed || p.Size != int64(len(data)) {
		t.Errorf("pulled %+v, expected %s of %d bytes, not verified", p, path, len(data))
	}
	want, source, err := Digest(path)
	if err != nil || want != hex.EncodeToString(sum[:]) || source != "as it was downloaded" {
		t.Errorf("digest %q %q %v, expected the one of what was sent", want, source, err)
	}
	for _, name := range []string{"declip-vit-ldm", "DECLIP-VIT-LDM", "ViT_layer20_conv-20_ldm", "ViT_layer20_conv-20_ldm.pth"} {
		f, err := Open(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := f.Metadata()["note"]; got != "pulled" {
			t.Errorf("%s is %q, expected what was pulled", name, got)
		}
		f.Close()
	}
	if p, err := Pull(t.Context(), e, PullOptions{Mirror: "http://127.0.0.1:1"}); err != nil || !p.Existed {
		t.Errorf("again: %+v, %v; expected that it exists", p, err)
	}
	checkLaterPull(t, e, path, data)
	// A file with a published digest must have that digest.
	e, _ = Lookup("RN50")
	if _, err := Pull(t.Context(), e, PullOptions{Mirror: mirror(t, data)}); err == nil || !strings.Contains(err.Error(), "expected "+e.SHA256) {
		t.Errorf("another file for RN50: error %v, expected one with the published digest", err)
	}
	e.SHA256 = hex.EncodeToString(sum[:])
	if p, err := Pull(t.Context(), e, PullOptions{Mirror: mirror(t, data)}); err != nil || !p.Verified {
		t.Errorf("with the right digest: %+v, %v; expected that it is verified", p, err)
	}
	// A file without weights is not kept either.
	e, _ = Lookup("declip-vit-lama")
	if _, err := Pull(t.Context(), e, PullOptions{Mirror: mirror(t, []byte("please log in"))}); !errors.Is(err, download.ErrMismatch) || !errors.Is(err, weights.ErrFormat) {
		t.Errorf("a text for declip-vit-lama: error %v, expected that it is no file of weights", err)
	}
	if got := Installed(); !slices.Equal(got, []string{"RN50", "declip-vit-ldm"}) {
		t.Errorf("installed are %q, expected RN50 and declip-vit-ldm", got)
	}
}

// checkLaterPull checks that a file without a published digest must stay the one that was
// downloaded first.
func checkLaterPull(t *testing.T, e Entry, path string, data []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := weights.Marshal([]weights.Tensor{weights.FromFloat32s("a", []int{1}, []float32{2})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Pull(t.Context(), e, PullOptions{Mirror: mirror(t, other)})
	if !errors.Is(err, download.ErrMismatch) || !strings.Contains(err.Error(), "remove "+path+noteSuffix) {
		t.Errorf("another file than the first time: error %v, expected one that names the note", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("another file than the first time is kept")
	}
	if p, err := Pull(t.Context(), e, PullOptions{Mirror: mirror(t, data)}); err != nil || !p.Recorded || p.Verified {
		t.Errorf("the same file again: %+v, %v; expected that it is the recorded one", p, err)
	}
}

// A file that the publisher sends after a form is named with its page, taken from a mirror, and
// found where it was saved.
func TestPullByHand(t *testing.T) {
	models := filepath.Join(t.TempDir(), "models")
	t.Setenv("DECLIP_MODELS", models)
	data, err := weights.Marshal([]weights.Tensor{weights.FromFloat32s("a", []int{1}, []float32{1})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := Lookup("dinov3-vits16")
	if _, err := Pull(t.Context(), e, PullOptions{}); !errors.Is(err, ErrManual) || !strings.Contains(err.Error(), e.URL) || !strings.Contains(err.Error(), e.File) {
		t.Errorf("error %v, expected one that names page and file", err)
	}
	if p, err := Pull(t.Context(), e, PullOptions{Mirror: mirror(t, data)}); err != nil || p.Existed {
		t.Errorf("from a mirror: %+v, %v", p, err)
	}
	if p, err := Pull(t.Context(), e, PullOptions{}); err != nil || !p.Existed {
		t.Errorf("saved already: %+v, %v", p, err)
	}
}

func TestDigest(t *testing.T) {
	dir := t.TempDir()
	if want, source, err := Digest(filepath.Join(dir, "RN50.pt")); err != nil || source != "as published" || !strings.HasPrefix(want, "afeb0e10") {
		t.Errorf("RN50.pt: %q %q %v, expected the published digest", want, source, err)
	}
	if want, _, err := Digest(filepath.Join(dir, "mine.pth")); err != nil || want != "" {
		t.Errorf("mine.pth: %q %v, expected none", want, err)
	}
	for _, note := range []string{"", "not hexadecimal", "abcd  mine.pth"} {
		if err := os.WriteFile(filepath.Join(dir, "mine.pth.sha256"), []byte(note), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Digest(filepath.Join(dir, "mine.pth")); err == nil || !strings.Contains(err.Error(), "mine.pth.sha256") {
			t.Errorf("note %q: error %v, expected one that names the note", note, err)
		}
	}
}

func TestContents(t *testing.T) {
	models := t.TempDir()
	t.Setenv("DECLIP_MODELS", models)
	for _, name := range []string{
		"RN50.pt", "ViT-L-14.pt.part", "ViT-L-14.pt.part.json", "ViT_layer20_conv-20_ldm.pth", "ViT_layer20_conv-20_ldm.pth.sha256",
		"mine.safetensors", "notes.txt", ".hidden.pt", "vit_layer20_conv-20_lama.pth",
	} {
		if err := os.WriteFile(filepath.Join(models, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(models, "folder.pt"), 0o755); err != nil {
		t.Fatal(err)
	}
	contents, err := Contents()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range contents {
		text := s.Name
		if s.Published != nil {
			text += " published"
		}
		if s.Partial {
			text += " partial"
		}
		if s.Weights {
			text += " weights"
		}
		got = append(got, text)
	}
	want := []string{
		"RN50 published weights", "ViT-L/14 published partial", "declip-vit-ldm published weights", "mine.safetensors weights",
		"notes.txt", "vit_layer20_conv-20_lama.pth weights",
	}
	if !slices.Equal(got, want) {
		t.Errorf("contents are %q, expected %q", got, want)
	}
	if got, want := Installed(), []string{"RN50", "declip-vit-ldm", "mine", "vit_layer20_conv-20_lama"}; !slices.Equal(got, want) {
		t.Errorf("installed are %q, expected %q", got, want)
	}
}
