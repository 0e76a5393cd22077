package cli

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// A training of the small network takes a second instead of hours.
const (
	smallNetwork  = "--arch xceptionnet-lite --widths 4,4,8,8 --context 8 --dilations 1,2 --crop-size 64"
	smallTraining = " --epochs 1 --batch-size 2"
)

// scaled are the texts of pages that would take long, or that name what only a real machine has,
// with what runs instead. They are replaced in this order.
var scaled = []struct{ page, old, new string }{
	// Trainings end after an epoch, on small crops, with small networks.
	{"data.md", "--out run1 ", "--out run1 " + smallNetwork + smallTraining},
	{"train.md", "--arch xceptionnet --decoder linear --out run1 --epochs 20", "--out run1 " + smallNetwork + smallTraining},
	{"train.md", "--arch ViT-L/14 --layer layer20", "--arch ViT --layer layer1" + smallTraining},
	{"train.md", "--decoder conv-20", "--decoder linear"},
	{"train.md", "--arch dinov3-vits16", "--arch dinov3" + smallTraining},
	{"train.md", "--input 512", "--input 64"},
	{"train.md", "--batch-size 4", "--input 64"},
	{"train.md", "--lora 32", "--lora 2"},
	{"study.md", "--epochs 20", smallNetwork + smallTraining + " --bootstrap 20"},
	{"study.md", "layer0..layer23 --arch ViT-L/14", "layer0..layer2 --clip ViT-L-14.pt --bootstrap 20 --arch ViT" + smallTraining},
	{"study.md", "--out study3", "--out study3 --perturb jpeg:75 --bootstrap 20"},
	{"study.md", " --model trufor=trufor", ""},
	{"study.md", "--out study4", "--out study4 --bootstrap 20"},
	{"study.yaml", "ViT-L/14", "ViT"},
	{"study.yaml", "layer20", "layer1"},
	{"study.yaml", "conv-20", "linear"},
	{"study.yaml", "epochs: 400", "epochs: 1"},
	{"study.yaml", "batch-size: 64", "batch-size: 2"},
	{"study.yaml", "bootstrap: 1000", "bootstrap: 20"},
	// Few pictures are forged, from small photographs.
	{"train.md", "--count 2000", "--count 6 --size 128,160"},
	{"train.md", "--count 200 ", "--count 4 --size 128,160 "},
	{"train.md", "--out autoencoder.safetensors", "--out autoencoder.safetensors --steps 3 --batch-size 2 --crop-size 32 --width 8 --channels 3"},
	{"train.md", "--out latent", "--out latent --count 3 --size 128,160"},
	// The stand-ins for large networks have three layers.
	{"use.md", "--layer layer8 --layer layer20", "--layer layer0 --layer layer1"},
	{"use.md", "--tiles 512,64", "--tiles 64,16"},
	{"use.md", "--tiles 512 ", "--tiles 64 "},
	{"models.md", "--tiles 512,64", "--tiles 64,16"},
	{"models.md", "inspect FILE", "inspect checkpoint-48.pth"},
	// Addresses and directories of this test, and what the reader fills in.
	{"", "127.0.0.1:8080", "127.0.0.1:$PORT"},
	{"jobs.md", "422$i", "${QUEUE}$i"},
	{"jobs.md", "622$i", "${CLUSTER}$i"},
	{"jobs.md", "127.0.0.1:622", "127.0.0.1:${CLUSTER}"},
	{"jobs.md", "127.0.0.1:4222", "127.0.0.1:${QUEUE}2"},
	{"jobs.md", "127.0.0.1:422", "127.0.0.1:${QUEUE}"},
	{"jobs.md", "serve --insecure --jobs /tmp/declip &", "serve --insecure --jobs /tmp/declip --listen 127.0.0.1:${QUEUE}2 &"},
	{"jobs.md", "127.0.0.1:9100", "127.0.0.1:${QUEUE}1"},
	{"jobs.md", "127.0.0.1:9101", "127.0.0.1:${QUEUE}3"},
	{"jobs.md", "/tmp/", "$WORK/tmp/"},
	{"jobs.md", "'http://127.0.0.1:$PORT/v1/jobs/JOB/results?follow=1'", `"http://127.0.0.1:$PORT/v1/jobs/$(http_job)/results?follow=1"`},
	{"jobs.md", "JOB", "$(first_job)"},
}

// notRun are texts of lines that are not run, with the reason.
var notRun = map[string]string{
	"go install github.com/declip/declip": "fetches a published version; TestInstalledProgramFindsEngine in tools/release installs the checkout",
	"declip doctor --install":             "fetches 114 MB with a known digest; internal/models/onnxruntime has a package of its own, doctor_install.txt the failures",
	"docker ":                             "needs Docker; tools/release runs the program in the tree of files of the image",
	"go test ./internal/serve/browser":    "writes a screenshot into the repository; make test runs the package",
	"declip train --data forged --valid forged-valid --arch cat-net": "prepares its step for half a minute; internal/train trains a small one",
	"declip train --data forged --valid forged-valid --init CAT_":    "the same",
	"declip models pull cat-net":                                     "digests of the files are published, so that no stand-in is accepted; models_pull.txt pulls others",
	"declip jobs serve --listen 0.0.0.0":                             "needs a bucket and certificates; internal/jobs has both in tests",
	"--nats tls://head:4222":                                         "the same; jobs_tls_test.go and study_tls_test.go run such commands on loopback",
}

// programs begin the lines of blocks that are for a shell.
var programs = regexp.MustCompile(`(?m)^(declip|make|go|docker|curl|mkdir|for) `)

// block is a code block of a page.
type block struct {
	line int // of the page, of the first line of text
	text string
}

// codeBlocks are the code blocks for a shell, and those without a language.
func codeBlocks(page string) (list []block) {
	var b *block
	inside := false
	for i, line := range strings.Split(page, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			if b != nil {
				list = append(list, *b)
			}
			if b, inside = nil, !inside; inside && (line == "```" || line == "```sh") {
				b = &block{line: i + 2}
			}
		case b != nil:
			b.text += line + "\n"
		}
	}
	return list
}

// runnable collects the commands of pages and what was done to them.
type runnable struct {
	commands int
	used     map[string]bool // entries of scaled and notRun
}

// scale makes the costly parts of a page's text small.
func (r *runnable) scale(page, text string) string {
	for _, s := range scaled {
		if (s.page == page || s.page == "") && strings.Contains(text, s.old) {
			r.used[s.page+s.old] = true
			text = strings.ReplaceAll(text, s.old, s.new)
		}
	}
	return text
}

// shell is the shell script of a page's blocks.
func (r *runnable) shell(page, text string) string {
	var b strings.Builder
	for _, block := range codeBlocks(text) {
		if !programs.MatchString(block.text) {
			continue
		}
		fmt.Fprintln(&b, "end_jobs")
		lines := strings.Split(strings.TrimSuffix(block.text, "\n"), "\n")
		for i := 0; i < len(lines); i++ {
			at, line := block.line+i, lines[i]
			for strings.HasSuffix(line, "\\") && i+1 < len(lines) {
				i++
				line += "\n" + lines[i]
			}
			if r.skips(line) {
				continue
			}
			r.commands++
			if line == "done" {
				fmt.Fprintln(&b, line)
				continue
			}
			fmt.Fprintf(&b, "at %s:%d\n%s\n", page, at, r.scale(page, line))
		}
	}
	return b.String()
}

func (r *runnable) skips(line string) bool {
	for part := range notRun {
		if strings.Contains(line, part) {
			r.used[part] = true
			return true
		}
	}
	return false
}

// freePorts is a number to which 1, 2 and 3 are appended to get ports that are free, at least now.
func freePorts(t *testing.T) string {
	t.Helper()
	for range 1000 {
		tens := 2100 + rand.IntN(1000) // at random: another run of this test looks for ports, too
		var open []net.Listener
		for i := range 3 {
			if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d%d", tens, i+1)); err == nil {
				open = append(open, l)
			}
		}
		for _, l := range open {
			l.Close()
		}
		if len(open) == 3 && !taken[tens] {
			taken[tens] = true
			return fmt.Sprint(tens)
		}
	}
	t.Fatal("no three ports in a row are free")
	return ""
}

// taken are the numbers that freePorts has given.
var taken = map[int]bool{}

func readText(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocumentedCommandsRun runs the commands of the README and of the pages as they are printed,
// in a directory with small pictures and models, up to the entries of scaled and notRun.
func TestDocumentedCommandsRun(t *testing.T) {
	root, dir := enginetest.ModuleRoot(t), t.TempDir()
	made := filepath.Join("testdata", "documented")
	r := &runnable{used: map[string]bool{}}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	p := scriptParams(t)
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		name := filepath.Base(page)
		text := readText(t, page)
		port := freePorts(t) + "1"
		commands := strings.ReplaceAll(r.shell(name, text), "127.0.0.1:$PORT", "127.0.0.1:"+port)
		if commands == "" {
			continue
		}
		stem := strings.TrimSuffix(name, ".md")
		world := readText(t, made, "base.txt")
		if _, err := os.Stat(filepath.Join(made, stem+".txt")); err == nil {
			world += readText(t, made, stem+".txt")
		}
		script := fmt.Sprintf("%senv PORT=%s QUEUE=%s CLUSTER=%s REPOSITORY=%s\nexec bash page.sh\n-- page.sh --\n%s\n%s-- sets.sh --\n%s-- study.yaml --\n%s-- pairs.csv --\n%s",
			world, port, freePorts(t), freePorts(t), root, readText(t, made, "prelude.sh"), commands, readText(t, made, "sets.sh"),
			r.scale("study.yaml", readText(t, root, "docs", "study.yaml")), listIn(text))
		file := filepath.Join(dir, stem+".txt")
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		p.Files = append(p.Files, file)
	}
	checkEntries(t, r)
	testscript.Run(t, p)
}

// listIn is the example of a list in a page; empty if it has none.
func listIn(page string) string {
	for _, b := range codeBlocks(page) {
		if strings.HasPrefix(b.text, "image,mask,") {
			return b.text
		}
	}
	return ""
}

// checkEntries reports entries that no longer fit a line, and a test that leaves out too much.
func checkEntries(t *testing.T, r *runnable) {
	t.Helper()
	for _, s := range scaled {
		if !r.used[s.page+s.old] {
			t.Errorf("%s has no %q to scale: remove the entry", s.page, s.old)
		}
	}
	for part, why := range notRun {
		if !r.used[part] || why == "" {
			t.Errorf("no line has %q, or there is no reason not to run it: %q", part, why)
		}
	}
	if r.commands < 60 || len(notRun) > 9 {
		t.Errorf("%d lines are run and %d kinds are not: expected at least 60, and at most 9", r.commands, len(notRun))
	}
}
