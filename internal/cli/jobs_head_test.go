package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// started runs the program until the test ends and gives the first line that it prints. It must end
// with 0.
func started(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, to := io.Pipe()
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		ended <- Run(ctx, args, to, &stderr)
		to.Close()
	}()
	line := make([]byte, 1000)
	n, err := out.Read(line)
	if err != nil {
		cancel()
		t.Fatalf("declip %s ends with %d: %v, %s", strings.Join(args, " "), <-ended, err, stderr.String())
	}
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("declip %s ends with %d: %s", strings.Join(args, " "), code, stderr.String())
		}
	})
	return string(line[:n])
}

// smallModel writes a small network with random weights.
func smallModel(t *testing.T, path string) {
	t.Helper()
	spec := network.Spec{
		Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 128, Overlap: 32},
		LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}},
	}
	net, err := network.New(spec, 3)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []weights.Tensor
	for _, p := range net.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	if err := weights.Write(path, tensors, map[string]string{network.SpecKey: net.SpecJSON()}); err != nil {
		t.Fatal(err)
	}
}

// A head and two workers on loopback, as docs/jobs.md shows them: the records are those of
// localize.
func TestHeadAndWorkers(t *testing.T) {
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	dir := t.TempDir()
	model, photos, store := filepath.Join(dir, "small.safetensors"), filepath.Join(dir, "photos"), filepath.Join(dir, "head", "store")
	smallModel(t, model)
	if err := os.Mkdir(photos, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		data, err := encodePicture(".png", scene(60+i, 40))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(photos, string(rune('a'+i))+".png"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	greeting := started(t, "jobs", "serve", "--insecure", "--listen", "127.0.0.1:0", "--jobs", filepath.Join(dir, "head"), "--log", "off")
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(greeting)
	at := []string{"--insecure", "--nats", "nats://" + address, "--store", store, "--source", "inbox=" + photos}
	for _, name := range []string{"one", "two"} {
		started(t, append([]string{"worker", "--name", name, "--threads", "1", "-m", model, "--log", "off"}, at...)...)
	}
	// The same length of the path, so that only names differ.
	localized := ran(t, exitOK, "localize", "--json", "-m", model, "-o", filepath.Join(dir, "out"), photos)
	printed := ran(t, exitOK, append([]string{"jobs", "submit", "-m", model, "--wait", "--maps", "none"}, at...)...)
	id, rest, _ := strings.Cut(printed, "\n")
	if !strings.Contains(rest, "done: 12 of 12") {
		t.Fatalf("submit prints %q", printed)
	}
	records := ran(t, exitOK, append([]string{"jobs", "results", id}, at...)...)
	want := strings.ReplaceAll(strings.Join(heads(t, localized, `,"files":`), "\n"), `"image":"`+photos+"/", `"image":"`)
	if got := strings.Join(heads(t, records, `,"item":`), "\n"); got != want {
		t.Errorf("got records\n%s\nexpected\n%s", got, want)
	}
	doctor := ran(t, exitOK, "doctor", "--insecure", "--nats", "nats://"+address)
	if !strings.Contains(doctor, "stream WORK") || !strings.Contains(doctor, "1 copies") || strings.Contains(doctor, "missing") {
		t.Errorf("doctor prints\n%s", doctor)
	}
	if list := ran(t, exitOK, append([]string{"jobs", "list"}, at...)...); !strings.Contains(list, id+"  done") {
		t.Errorf("list prints\n%s", list)
	}
}
