package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// TestProgramSurvives is a short run of the command.
func TestProgramSurvives(t *testing.T) {
	library := enginetest.Library(t)
	t.Setenv("DECLIP_ORT_LIB", library)
	program := filepath.Join(t.TempDir(), "declip")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-trimpath", "-o", program, "../../cmd/declip").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pictures := filepath.Join("..", "..", "internal", "picture", "testdata")
	// The limit is wide: other tests run at the same time.
	o := options{declip: program, from: []string{filepath.Join(pictures, "golden"), filepath.Join(pictures, "cases")},
		n: 60, seed: 7, batch: 60, limit: time.Minute, memory: 1500 << 20}
	var out bytes.Buffer
	if err := run(context.Background(), o, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if !strings.Contains(out.String(), ".jpg") || !strings.Contains(out.String(), "faults: 0") {
		t.Errorf("the report lacks formats:\n%s", &out)
	}
}

// TestSameSeedSameFiles: a seed makes the same files, another one others.
func TestSameSeedSameFiles(t *testing.T) {
	data := bytes.Repeat([]byte("declip"), 100)
	made := func(n uint64) []byte {
		rng := rand.New(rand.NewPCG(n, 0))
		var all []byte
		for range 200 {
			all = append(all, mutate(data, data, rng)...)
		}
		return all
	}
	if !bytes.Equal(made(1), made(1)) || bytes.Equal(made(1), made(2)) {
		t.Error("files don't follow from the seed")
	}
	if string(data[:6]) != "declip" || len(data) != 600 {
		t.Error("the picture itself was changed")
	}
}

// TestFaultsAreFound: each way to fail is noticed. The program is a shell script.
func TestFaultsAreFound(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("needs a shell")
		return
	}
	refusal := `for f; do case "$f" in */m0*) echo "{\"image\":\"$f\",\"error\":\"no picture\"}";; esac; done; `
	for script, want := range map[string]string{
		refusal + "exit 1":                       "",
		refusal + "exit 0":                       "exit code 0, expected 1",
		refusal + "exit 70":                      "exit code 70, expected 1",
		refusal + "echo 'panic: oh' >&2; exit 1": "panic: in the messages",
		refusal + refusal + "exit 1":             "two answers",
		"exit 1":                                 "no answer",
		"echo x; exit 1":                         "not JSON",
		strings.ReplaceAll(refusal, "no picture", "runtime error: index") + "exit 1":                                "runtime error",
		strings.ReplaceAll(refusal, `"error\":\"no picture`, `"files\":{\"prob\":\"/missing.png\"},\"width\":\"1`):  "not JSON",
		strings.ReplaceAll(refusal, `\"error\":\"no picture\"`, `\"files\":{\"prob\":\"/missing.png\"}`) + "exit 0": "/missing.png",
		refusal + "sleep 1; echo '{\"image\":\"late\",\"error\":\"x\"}'; exit 1":                                    "late took",
	} {
		dir := t.TempDir()
		program := filepath.Join(dir, "declip")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		b := batch{options: options{declip: program, limit: 900 * time.Millisecond, memory: 1 << 40}, dir: dir}
		seeds := map[string][]seed{".png": {{".png", []byte("data")}}}
		rng := rand.New(rand.NewPCG(1, 1))
		for range 3 {
			b.add(seeds, rng)
		}
		tally := newTally()
		if err := b.run(context.Background(), tally); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(tally.faults, "\n")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: faults %q, expected %q", script, got, want)
		}
		if err := tally.write(io.Discard); err != nil {
			t.Error(err)
		}
	}
}
