package cli

import (
	"bufio"
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

// program is a run of declip, whose output is read by lines.
type program struct {
	t     *testing.T
	args  []string
	lines chan string // closed at the end
	ended chan int
	errs  bytes.Buffer // to be read when it has ended
}

// starting runs the program until the test ends, when it must end with 0.
func starting(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, to := io.Pipe()
	p := &program{t: t, args: args, lines: make(chan string, 100), ended: make(chan int, 1)}
	go func() {
		p.ended <- Run(ctx, args, to, &p.errs)
		to.Close()
	}()
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-p.ended; code != exitOK {
			t.Errorf("declip %s ends with %d: %s", strings.Join(args, " "), code, p.errs.String())
		}
	})
	return p
}

// line waits for the next line that the program prints.
func (p *program) line() string {
	p.t.Helper()
	line, ok := <-p.lines
	if !ok {
		p.t.Fatalf("declip %s prints no further line", strings.Join(p.args, " "))
	}
	return line
}

// address is the first address in the next line.
func (p *program) address() string {
	p.t.Helper()
	line := p.line()
	found := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	if found == "" {
		p.t.Fatalf("declip %s prints %q, expected an address", strings.Join(p.args, " "), line)
	}
	return found
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

// sameRecords fails unless a job's records are those that localize has printed for the pictures of
// a directory, byte for byte, but for the names of the pictures.
func sameRecords(t *testing.T, records, localized, dir string) {
	t.Helper()
	want := strings.ReplaceAll(strings.Join(heads(t, localized, `,"files":`), "\n"), `"image":"`+dir+"/", `"image":"`)
	if got := strings.Join(heads(t, records, `,"item":`), "\n"); got != want || want == "" {
		t.Errorf("got records\n%s\nexpected\n%s", got, want)
	}
}

// smallPictures makes a directory with pictures.
func smallPictures(t *testing.T, dir string, n int) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		data, err := encodePicture(".png", scene(60+i, 40))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".png"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A head and two workers on loopback, as docs/jobs.md shows them: the records are those of
// localize.
func TestHeadAndWorkers(t *testing.T) {
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	dir := t.TempDir()
	model, photos, store := filepath.Join(dir, "small.safetensors"), filepath.Join(dir, "photos"), filepath.Join(dir, "head", "store")
	smallModel(t, model)
	smallPictures(t, photos, 12)
	address := starting(t, "jobs", "serve", "--insecure", "--listen", "127.0.0.1:0", "--jobs", filepath.Join(dir, "head"), "--log", "off").address()
	at := []string{"--insecure", "--nats", "nats://" + address, "--store", store, "--source", "inbox=" + photos}
	for _, name := range []string{"one", "two"} {
		starting(t, append([]string{"worker", "--name", name, "--threads", "1", "-m", model, "--log", "off"}, at...)...).line()
	}
	// The same length of the path, so that only names differ.
	localized := ran(t, exitOK, "localize", "--json", "-m", model, "-o", filepath.Join(dir, "out"), photos)
	printed := ran(t, exitOK, append([]string{"jobs", "submit", "-m", model, "--wait", "--maps", "none"}, at...)...)
	id, rest, _ := strings.Cut(printed, "\n")
	if !strings.Contains(rest, "done: 12 of 12") {
		t.Fatalf("submit prints %q", printed)
	}
	records := ran(t, exitOK, append([]string{"jobs", "results", id}, at...)...)
	sameRecords(t, records, localized, photos)
	doctor := ran(t, exitOK, "doctor", "--insecure", "--nats", "nats://"+address)
	if !strings.Contains(doctor, "stream WORK") || !strings.Contains(doctor, "1 copies") || strings.Contains(doctor, "missing") {
		t.Errorf("doctor prints\n%s", doctor)
	}
	if list := ran(t, exitOK, append([]string{"jobs", "list"}, at...)...); !strings.Contains(list, id+"  done") {
		t.Errorf("list prints\n%s", list)
	}
}
