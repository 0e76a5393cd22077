package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
)

// serving runs "declip serve" with some flags and gives its address.
func serving(t *testing.T, flags ...string) string {
	t.Helper()
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	ctx, cancel := context.WithCancel(context.Background())
	out, to := io.Pipe()
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		ended <- Run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0", "--log", "off"}, flags...), to, &stderr)
		to.Close()
	}()
	line := make([]byte, 1000)
	n, err := out.Read(line)
	_, address, ok := strings.Cut(strings.TrimSpace(string(line[:n])), " at ")
	if err != nil || !ok {
		cancel()
		t.Fatalf("serve says %q and ends with %d: %v, %s", line[:n], <-ended, err, stderr.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // what else it prints
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("serve ends with %d: %s", code, stderr.String())
		}
	})
	return address
}

// testModels writes small models of all kinds, and gives them as NAME=FILE.
func testModels(t *testing.T, dir string) (names, flags []string) {
	t.Helper()
	save := func(name string, tensors []weights.Tensor, metadata map[string]string) {
		path := filepath.Join(dir, name+".safetensors")
		if err := weights.Write(path, tensors, metadata); err != nil {
			t.Fatal(err)
		}
		names, flags = append(names, name), append(flags, "-m", name+"="+path)
	}
	for name, spec := range map[string]network.Spec{
		"tiles":  {Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, Detectors: []string{"copies"}, TileOptions: network.TileOptions{Tile: 128, Overlap: 32}, LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}}},
		"resize": {Arch: network.ArchXception, Decoder: "linear"},
	} {
		net, err := network.New(spec, 3)
		if err != nil {
			t.Fatal(err)
		}
		var tensors []weights.Tensor
		for _, p := range net.Params() {
			tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
		}
		save(name, tensors, map[string]string{network.SpecKey: net.SpecJSON()})
	}
	vit := append(networktest.ViT("model.model.visual.", 64, 8, 3, 4), networktest.Conv("model.", 64, networktest.AllStages(4, [4]int{8, 8, 4, 4}))...)
	save("vit", networktest.Tensors(vit), networktest.Published("layer1", "conv-4"))
	save("cat", networktest.Tensors(networktest.SmallCATNet.Rules(true)), nil)
	return names, flags
}

// What is answered over HTTP is what the command line writes, to the last bit,
// also when many ask at once.
func TestServeGivesWhatLocalizeGives(t *testing.T) {
	dir := t.TempDir()
	names, flags := testModels(t, dir)
	address := serving(t, flags...)
	var pictures []string
	for i, name := range []string{"a.jpg", "b.png", "c.tif", "d.bmp", "e.gif", "f.jpg"} {
		data, err := encodePicture(filepath.Ext(name), scene(150+37*i, 200-23*i))
		if err != nil {
			t.Fatal(err)
		}
		if name == "f.jpg" {
			data = withOrientation(data, 6)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, path)
	}
	for _, model := range names {
		out := filepath.Join(dir, "out-"+model)
		var stdout, stderr bytes.Buffer
		args := append([]string{"localize", "--json", "--threshold", "0.4", "-o", out, "-m", filepath.Join(dir, model+".safetensors")}, pictures...)
		if code := Run(context.Background(), args, &stdout, &stderr); code != exitOK {
			t.Fatalf("localize ends with %d: %s", code, stderr.String())
		}
		lines := bytes.Split(bytes.TrimSpace(stdout.Bytes()), []byte("\n"))
		var wait sync.WaitGroup
		for i, path := range pictures {
			wait.Go(func() {
				if err := sameOverHTTP(address+"/v1/localize?threshold=0.4&model="+model, path, out, lines[i]); err != nil {
					t.Errorf("%s, %s: %v", model, filepath.Base(path), err)
				}
			})
		}
		wait.Wait()
	}
}

// sameOverHTTP compares an answer with a line and the files of localize.
func sameOverHTTP(address, path, out string, line []byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	response, err := http.Post(address, "application/octet-stream", bytes.NewReader(data))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var got, want map[string]json.RawMessage
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("status %d, %.200q: %w", response.StatusCode, body, err)
	}
	if err := json.Unmarshal(line, &want); err != nil {
		return err
	}
	for field, value := range want {
		switch field {
		case "image", "model", "files", "elapsed_ms": // how each calls them, and when
		default:
			if !bytes.Equal(got[field], value) {
				return fmt.Errorf("%s is %s, expected %s", field, got[field], value)
			}
		}
	}
	var maps map[string]string
	if err := json.Unmarshal(got["maps"], &maps); err != nil {
		return err
	}
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	for _, view := range []string{"prob", "mask", "overlay"} {
		file, err := os.ReadFile(filepath.Join(out, stem+"."+view+".png"))
		if err != nil {
			return err
		}
		png, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(maps[view], "data:image/png;base64,"))
		if err != nil || !bytes.Equal(png, file) {
			return fmt.Errorf("%s differs from the file (%d bytes, expected %d): %v", view, len(png), len(file), err)
		}
	}
	return nil
}

// curlCommand finds the commands with curl in a page's code blocks.
var curlCommand = regexp.MustCompile(`(?m)^curl .*$`)

// The examples of docs/serve.md work as they are printed, except for the port.
func TestServeExamplesInTheDocs(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	root := enginetest.ModuleRoot(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "serve.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := curlCommand.FindAllString(string(page), -1)
	if len(commands) < 4 {
		t.Fatalf("docs/serve.md has %d commands with curl, expected more", len(commands))
	}
	dir := t.TempDir()
	sample, err := encodePicture(".jpg", scene(200, 150))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"photo.jpg", "other.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), sample, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	address := serving(t)
	host, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range commands {
		line, _, _ = strings.Cut(line, "  #")
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(line, "127.0.0.1:8080", host.Host))
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil || bytes.Contains(out, []byte(`"error"`)) {
			t.Errorf("%s: %v, %.300s", line, err, out)
		}
	}
	for name, magic := range map[string]string{"overlay.png": "\x89PNG"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.HasPrefix(data, []byte(magic)) {
			t.Errorf("%s: %v, %.20q", name, err, data)
		}
	}
}

func TestServedNames(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "a=b.pth")
	if err := os.WriteFile(odd, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][2]string{
		"lite": {"lite", "lite"}, "mine=lite": {"mine", "lite"}, "models/x.pth": {"x", "models/x.pth"}, odd: {"a=b", odd}, "m=/a/b=c.pth": {"m", "/a/b=c.pth"},
	} {
		if name, source := servedName(text); name != want[0] || source != want[1] {
			t.Errorf("%s: %q, %q, expected %q", text, name, source, want)
		}
	}
}

func TestToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for content, want := range map[string]string{"secret\n": "secret", "": "", "two words": "", "\n": ""} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readToken(path); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, expected %q", content, got, err, want)
		}
	}
	t.Setenv("DECLIP_TOKEN", " of-the-environment ")
	if got, err := readToken(""); got != "of-the-environment" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	t.Setenv("DECLIP_TOKEN", "")
	if _, err := readToken(""); err == nil {
		t.Error("an empty token is accepted")
	}
}
