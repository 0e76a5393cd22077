package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/declip/declip/tools/memory"
)

// batch is the files of one run of the program.
type batch struct {
	options
	dir, model string
	paths      []string
	contents   [][]byte
}

// add makes a file of a random format.
func (b *batch) add(seeds map[string][]seed, rng *rand.Rand) {
	list := formats(seeds)
	format := list[rng.IntN(len(list))]
	same := seeds[format]
	data := mutate(same[rng.IntN(len(same))].data, same[rng.IntN(len(same))].data, rng)
	b.paths = append(b.paths, filepath.Join(b.dir, fmt.Sprintf("m%04d%s", len(b.paths), format)))
	b.contents = append(b.contents, data)
}

// answer is a line of the program.
type answer struct {
	Image    string   `json:"image"`
	Error    string   `json:"error"`
	Warnings []string `json:"warnings"`
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	Files    struct {
		Prob    string `json:"prob"`
		Mask    string `json:"mask"`
		Overlay string `json:"overlay"`
	} `json:"files"`
}

// crash is what Go's runtime and declip print of a fault.
var crash = regexp.MustCompile(`(?m)^(panic:|fatal error:|goroutine \d+|SIG[A-Z]+:)|fault of declip|runtime error`)

// run localizes the files and notes answers and faults.
func (b *batch) run(ctx context.Context, t *tally) error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	for i, path := range b.paths {
		if err := os.WriteFile(path, b.contents[i], 0o644); err != nil {
			return err
		}
	}
	args := []string{"localize", "--json", "--max-pixels", "1000000", "-m", b.model, "-o", filepath.Join(b.dir, "out")}
	// The model's loading counts as two more pictures.
	ctx, cancel := context.WithTimeout(ctx, b.limit*time.Duration(len(b.paths)+2))
	defer cancel()
	cmd := exec.CommandContext(ctx, b.declip, append(args, b.paths...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	answers := b.read(stdout, t)
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	if found := crash.FindString(stderr.String()); found != "" {
		t.fault("%s in the messages: %.2000s", found, stderr.String())
	}
	b.check(answers, cmd.ProcessState.ExitCode(), t)
	got := memory.Peak(cmd.ProcessState)
	t.memory = max(t.memory, got)
	if got > b.memory {
		t.fault("%d MB of memory, expected at most %d", got>>20, b.memory>>20)
		b.save(b.paths...)
	}
	return nil
}

// read reads the answers and notes the longest time between two of them.
func (b *batch) read(r io.Reader, t *tally) map[string]answer {
	answers := map[string]answer{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	before := time.Time{} // the first answer includes the model's loading
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.fault("not JSON: %.200q: %v", lines.Text(), err)
			continue
		}
		if _, ok := answers[a.Image]; ok {
			t.fault("two answers for %s", a.Image)
		}
		answers[a.Image] = a
		if took := time.Since(before); !before.IsZero() {
			t.slowest = max(t.slowest, took)
			if took > b.limit {
				t.fault("%s took %v", a.Image, took)
				b.save(a.Image)
			}
		}
		before = time.Now()
	}
	return answers
}

// check compares the answers with the files and the exit code.
func (b *batch) check(answers map[string]answer, code int, t *tally) {
	refused := 0
	for _, path := range b.paths {
		a, ok := answers[path]
		row := t.row(filepath.Ext(path))
		row.files++
		switch {
		case !ok:
			t.fault("%s: no answer", path)
			b.save(path)
		case a.Error != "":
			refused++
			row.refused++
			if crash.MatchString(a.Error) {
				t.fault("%s: %s", path, a.Error)
				b.save(path)
			}
		default:
			row.read++
			if len(a.Warnings) > 0 {
				row.warned++
			}
			for _, result := range []string{a.Files.Prob, a.Files.Mask, a.Files.Overlay} {
				if err := whole(result, a.Width, a.Height); err != nil {
					t.fault("%s: %v", path, err)
					b.save(path)
				}
			}
		}
	}
	want := 0
	if refused > 0 {
		want = 1
	}
	if code != want {
		t.fault("exit code %d, expected %d: %d of %d files were refused", code, want, refused, len(b.paths))
		b.save(b.paths...)
	}
}

// whole reads a result to its end and compares its size.
func whole(path string, width, height int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if size := m.Bounds().Size(); size.X != width || size.Y != height {
		return fmt.Errorf("%s is %d x %d, the picture %d x %d", path, size.X, size.Y, width, height)
	}
	return nil
}

// save keeps files that show a fault.
func (b *batch) save(paths ...string) {
	if b.keep == "" || os.MkdirAll(b.keep, 0o755) != nil {
		return
	}
	for i, path := range b.paths {
		if slices.Contains(paths, path) {
			name := filepath.Base(b.dir) + "-" + filepath.Base(path)
			// The fault is reported in any case.
			_ = os.WriteFile(filepath.Join(b.keep, name), b.contents[i], 0o644)
		}
	}
}
