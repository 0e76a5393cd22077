package onnxruntime

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/models/download"
	"github.com/declip/declip/internal/nn/engine"
)

// member is an entry of a test's archive.
type member struct {
	name string
	data []byte
	kind byte // 0: a regular file
}

// pack makes a gzipped tar archive.
func pack(t *testing.T, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	compressed := gzip.NewWriter(&b)
	archive := tar.NewWriter(compressed)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(m.data))}
		if m.kind != 0 {
			h.Typeflag, h.Linkname = m.kind, string(m.data)
			h.Size, m.data = 0, nil
		}
		if err := archive.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

const (
	wanted  = "package/bin/napi-v6/linux/x64/libonnxruntime.so.1"
	another = "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1"
)

var library = bytes.Repeat([]byte("a library "), 50_000)

// usual are the members of an archive of the layout of onnxruntime-node.
func usual() []member {
	return []member{
		{name: another, data: []byte("another library")},
		{name: "../escape", data: []byte("outside")},
		{name: wanted, data: library},
		{name: "package/package.json", data: []byte("{}")},
	}
}

// packageOf describes an archive as Pinned does the published one.
func packageOf(archive []byte) Package {
	return Package{
		File: "onnxruntime-node-9.9.9.tgz", RegistryPath: "onnxruntime-node/-/onnxruntime-node-9.9.9.tgz",
		Size: int64(len(archive)), SHA256: digest(archive),
		Libraries: map[string]Library{
			"linux/amd64": {Member: wanted, Name: "libonnxruntime.so.9.9.9", Size: int64(len(library)), SHA256: digest(library)},
		},
	}
}

// registry serves an archive below the path of npm's registry and in a mirror's directory, and
// breaks the connection of the first request after this number of bytes; 0: never.
func registry(t *testing.T, p Package, archive []byte, broken int) (address string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.Path+" "+r.Header.Get("Range"))
		if r.URL.Path != "/npm/"+p.RegistryPath && r.URL.Path != "/mirror/"+p.File {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"a"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		if broken > 0 && len(*asked) == 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(archive)))
			_, _ = w.Write(archive[:broken])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(archive))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// optionsFor install for Linux into a directory of the test's own.
func optionsFor(t *testing.T, p Package, from string) Options {
	t.Helper()
	source, err := p.Source(from)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Source: source, Dir: filepath.Join(t.TempDir(), "cache", "onnxruntime"), Platform: "linux/amd64",
		Client: download.Client{Attempts: 3, Backoff: time.Millisecond},
	}
}

// expectDir checks that a directory contains these files and no others.
func expectDir(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the directory contains %q, expected %q", got, want)
	}
}

func expectInstalled(t *testing.T, o Options, got Installed, err error, existed bool) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(o.Dir, "libonnxruntime.so.9.9.9")
	if got.Path != path || got.Size != int64(len(library)) || got.Existed != existed {
		t.Errorf("got %+v, expected %s of %d bytes, existed %v", got, path, len(library), existed)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, library) {
		t.Errorf("read %d bytes, %v; expected the library", len(data), err)
	}
	expectDir(t, o.Dir, "libonnxruntime.so.9.9.9")
}

func TestInstallFromRegistry(t *testing.T) {
	archive := pack(t, usual()...)
	p := packageOf(archive)
	address, asked := registry(t, p, archive, 0)
	t.Setenv("npm_config_registry", address+"/npm/")
	o := optionsFor(t, p, "")
	var progress int64
	o.Progress = func(done, total int64) { progress = done }
	got, err := Install(t.Context(), p, o)
	expectInstalled(t, o, got, err, false)
	if progress != p.Size {
		t.Errorf("progress ended at %d of %d", progress, p.Size)
	}
	// Once more: nothing is asked for.
	got, err = Install(t.Context(), p, o)
	expectInstalled(t, o, got, err, true)
	if want := []string{"/npm/" + p.RegistryPath + " "}; !slices.Equal(*asked, want) {
		t.Errorf("the registry was asked for %q, expected %q", *asked, want)
	}
	// A damaged library is replaced.
	if err := os.WriteFile(got.Path, library[1:], 0o644); err != nil {
		t.Fatal(err)
	}
	got, err = Install(t.Context(), p, o)
	expectInstalled(t, o, got, err, false)
}

func TestInstallResumes(t *testing.T) {
	archive := pack(t, usual()...)
	p := packageOf(archive)
	address, asked := registry(t, p, archive, 500)
	o := optionsFor(t, p, address+"/mirror")
	o.Client.Attempts = 1
	if _, err := Install(t.Context(), p, o); err == nil {
		t.Fatal("no error from a broken connection")
	}
	expectDir(t, o.Dir, p.File+download.PartSuffix, p.File+download.NoteSuffix)
	got, err := Install(t.Context(), p, o)
	expectInstalled(t, o, got, err, false)
	if want := []string{"/mirror/" + p.File + " ", "/mirror/" + p.File + " bytes=500-"}; !slices.Equal(*asked, want) {
		t.Errorf("the mirror was asked for %q, expected %q", *asked, want)
	}
}

// The file, or a directory that contains it, serves without a network, and is not removed.
func TestInstallFromFile(t *testing.T) {
	archive := pack(t, usual()...)
	p := packageOf(archive)
	dir := t.TempDir()
	file := filepath.Join(dir, p.File)
	if err := os.WriteFile(file, archive, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{file, dir} {
		o := optionsFor(t, p, from)
		got, err := Install(t.Context(), p, o)
		expectInstalled(t, o, got, err, false)
		expectDir(t, dir, p.File)
	}
}

// A complete download that an earlier call could not unpack is used, a damaged one replaced.
func TestInstallUsesAnEarlierDownload(t *testing.T) {
	archive := pack(t, usual()...)
	p := packageOf(archive)
	for name, c := range map[string]struct {
		left  []byte
		asked int
	}{"whole": {archive, 0}, "damaged": {archive[1:], 1}} {
		t.Run(name, func(t *testing.T) {
			address, asked := registry(t, p, archive, 0)
			o := optionsFor(t, p, address+"/mirror/")
			if err := os.MkdirAll(o.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(o.Dir, p.File), c.left, 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := Install(t.Context(), p, o)
			expectInstalled(t, o, got, err, false)
			if len(*asked) != c.asked {
				t.Errorf("the mirror was asked for %q, expected %d requests", *asked, c.asked)
			}
		})
	}
}

// An archive of the pinned digest has the right contents. These checks are the second line of
// defence.
func TestInstallRefusesArchives(t *testing.T) {
	short := library[:len(library)-1]
	other := append([]byte("X"), library[1:]...)
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"no library":      {pack(t, usual()[:2]...), "it has no"},
		"link":            {pack(t, member{wanted, []byte("/etc/passwd"), tar.TypeSymlink}), "not a regular file"},
		"another length":  {pack(t, member{name: wanted, data: short}), "not a regular file of 500000 bytes"},
		"another content": {pack(t, member{name: wanted, data: other}), "SHA-256 of"},
		"not gzip":        {[]byte("please log in"), "gzip"},
		"cut short":       {pack(t, usual()...)[:200], "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			p := packageOf(c.archive)
			address, _ := registry(t, p, c.archive, 0)
			o := optionsFor(t, p, address+"/mirror")
			_, err := Install(t.Context(), p, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, expected one with %q", err, c.want)
			}
			expectDir(t, o.Dir, p.File) // the download, which has the right digest
		})
	}
}

func TestInstallRefusesWrongPackages(t *testing.T) {
	archive := pack(t, usual()...)
	p := packageOf(archive)
	changed := append(slices.Clone(archive[:len(archive)-1]), archive[len(archive)-1]^1)
	address, _ := registry(t, p, changed, 0)
	file := filepath.Join(t.TempDir(), "mine.tgz")
	if err := os.WriteFile(file, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{address + "/mirror", file} {
		o := optionsFor(t, p, from)
		_, err := Install(t.Context(), p, o)
		if !errors.Is(err, download.ErrMismatch) || !strings.Contains(err.Error(), "expected "+p.SHA256) {
			t.Errorf("%s: error %v, expected one with the right digest", from, err)
		}
		expectDir(t, o.Dir)
	}
	o := optionsFor(t, p, address+"/nothing.tgz")
	var remote *download.RemoteError
	if _, err := Install(t.Context(), p, o); !errors.As(err, &remote) || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v, expected the server's 404", err)
	}
	o.Platform = "plan9/mips"
	if _, err := Install(t.Context(), p, o); !errors.Is(err, ErrPlatform) || !strings.Contains(err.Error(), "linux/amd64, not for plan9/mips") {
		t.Errorf("error %v, expected one that names the platforms", err)
	}
}

func TestInstallStopsWithItsContext(t *testing.T) {
	archive := pack(t, usual()...)
	p := packageOf(archive)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, p.File), archive, 0o644); err != nil {
		t.Fatal(err)
	}
	o := optionsFor(t, p, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Install(ctx, p, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected %v", err, context.Canceled)
	}
	expectDir(t, o.Dir)
}

func TestSource(t *testing.T) {
	p := Pinned()
	dir := t.TempDir()
	file := filepath.Join(dir, p.File)
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"":                              Registry + "/onnxruntime-node/-/onnxruntime-node-" + Version + ".tgz",
		"https://host/models":           "https://host/models/" + p.File,
		"https://host/models/?token=x":  "https://host/models/" + p.File + "?token=x",
		"http://host/a/onnxruntime.tgz": "http://host/a/onnxruntime.tgz",
		file:                            file,
		dir:                             file,
		dir + string(os.PathSeparator):  file,
		filepath.Join(dir, "none", "..") + "/" + p.File: file,
	} {
		got, err := p.Source(from)
		if err != nil || filepath.Clean(got.File) != filepath.Clean(want) && got.URL != want {
			t.Errorf("%q: got %v, %v; expected %s", from, got, err, want)
		}
	}
	for _, from := range []string{"https://", filepath.Join(dir, "nothing.tgz")} {
		if got, err := p.Source(from); err == nil {
			t.Errorf("%q: got %v, expected an error", from, got)
		}
	}
	t.Setenv("NPM_CONFIG_REGISTRY", "https://npm.example.org/proxy/")
	if got, err := p.Source(""); err != nil || got.URL != "https://npm.example.org/proxy/"+p.RegistryPath {
		t.Errorf("with a registry set: got %v, %v", got, err)
	}
	t.Setenv("npm_config_registry", "npm.example.org")
	if got, err := p.Source(""); err == nil || !strings.Contains(err.Error(), "npm registry") {
		t.Errorf("with a wrong registry: got %v, %v", got, err)
	}
}

// The engine finds what is installed: in its directory, by its name.
func TestPinned(t *testing.T) {
	p := Pinned()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "scripts", "onnxruntime", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"onnxruntime-node": "`+Version+`"`) {
		t.Errorf("scripts/onnxruntime/package.json pins another version than %s:\n%s", Version, text)
	}
	for platform, lib := range p.Libraries {
		sum, err := hex.DecodeString(lib.SHA256)
		if err != nil || len(sum) != sha256.Size || lib.Size < 1<<20 || !strings.HasPrefix(lib.Member, "package/bin/napi-v6/") {
			t.Errorf("%s: %+v", platform, lib)
		}
		pattern := map[string]string{
			"linux": "libonnxruntime.so.*", "darwin": "libonnxruntime.*.dylib", "windows": "onnxruntime.dll",
		}[platform[:strings.Index(platform, "/")]]
		if ok, err := filepath.Match(pattern, lib.Name); !ok || err != nil {
			t.Errorf("%s: the engine does not look for %s", platform, lib.Name)
		}
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := engine.UserDir()
	if err != nil {
		t.Fatal(err)
	}
	if path, err := p.Target(Options{Platform: "linux/arm64"}); err != nil || path != filepath.Join(dir, "libonnxruntime.so."+Version) {
		t.Errorf("installs to %s, %v; expected a file in %s", path, err, dir)
	}
}
