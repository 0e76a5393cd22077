package models

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/models/download"
	"github.com/declip/declip/internal/nn/weights"
)

func zipped(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write(data)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// A file in a zip file is taken out, checked, and the zip file is removed.
func TestPullFromArchive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	t.Setenv("DECLIP_MODELS", dir)
	data, err := weights.Marshal([]weights.Tensor{weights.FromFloat32s("a", []int{1}, []float32{1})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := Lookup("trufor")
	packed := zipped(t, e.Archive.Member, data)
	entry := func(sum string) Entry {
		e := e
		e.SHA256, e.Size = sum, int64(len(data))
		e.Archive = &Archive{File: e.Archive.File, Member: e.Archive.Member, Size: int64(len(packed)), SHA256: hexSum(packed)}
		return e
	}
	from := PullOptions{Mirror: mirror(t, packed)}
	wrong := entry(hexSum(packed))
	if _, err := Pull(t.Context(), wrong, from); !errors.Is(err, download.ErrMismatch) {
		t.Errorf("a member of another digest: got error %v, expected %v", err, download.ErrMismatch)
	}
	long := entry(hexSum(data))
	long.Size++
	if _, err := Pull(t.Context(), long, from); !errors.Is(err, download.ErrMismatch) {
		t.Errorf("a member of another size: got error %v, expected %v", err, download.ErrMismatch)
	}
	absent := entry(hexSum(data))
	absent.Archive.Member = "other"
	if _, err := Pull(t.Context(), absent, from); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an archive without the member: got error %v", err)
	}
	p, err := Pull(t.Context(), entry(hexSum(data)), from)
	if err != nil || !p.Verified || p.SHA256 != hexSum(data) || p.Size != int64(len(data)) {
		t.Fatalf("pulled %+v with error %v", p, err)
	}
	contents, err := Contents()
	if err != nil || len(contents) != 1 || contents[0].Name != "trufor" || contents[0].Partial || !contents[0].Weights {
		t.Errorf("the models directory has %+v (%v)", contents, err)
	}
	f, err := Open("trufor")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if p, err := Pull(t.Context(), e, PullOptions{Mirror: "http://127.0.0.1:1"}); err != nil || !p.Existed {
		t.Errorf("again: %+v, %v; expected that it exists", p, err)
	}
}
