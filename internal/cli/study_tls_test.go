package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// tinyStudy writes the file of a study with one training of two steps, and the data set of it.
func tinyStudy(t *testing.T, dir string) (file string) {
	t.Helper()
	photos := filepath.Join(dir, "photos")
	if err := os.Mkdir(photos, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a.png", "b.png"} {
		data, err := encodePicture(".png", scene(200-40*i, 160+40*i))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(photos, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for part, count := range map[string]string{"train": "4", "valid": "2", "test": "3"} {
		ran(t, exitOK, "forge", "--photos", photos, "--out", filepath.Join(dir, "set", part), "--count", count, "--seed", count,
			"--size", "96,128", "--methods", "splice")
	}
	file = filepath.Join(dir, "study.yaml")
	err := os.WriteFile(file, []byte(`study: cross-generator
data: {splice: set}
network: {arch: xceptionnet-lite, widths: [4, 4, 8, 8], context: 8, dilations: [1], tile: 128, overlap: 32}
train: {epochs: 1, batch-size: 2, crop-size: 64, lr: 0.002}
evaluation: {bootstrap: 20, samples: 0}
`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// studied does a study and gives the table of its scores.
func studied(t *testing.T, file, out string, flags ...string) string {
	t.Helper()
	ran(t, exitOK, append([]string{"study", file, "--out", out, "--threads", "1", "--device", "cpu"}, flags...)...)
	return string(readAll(t, filepath.Join(out, "tables", "cells.csv")))
}

// A worker of trainings with least permissions does a study whose queue is reached over TLS: the
// scores are those of the study without a queue, and it is denied nothing. With the permissions of
// a worker of pictures it cannot begin.
func TestTrainOverTLS(t *testing.T) {
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	dir := t.TempDir()
	file := tinyStudy(t, dir)
	want := studied(t, file, filepath.Join(dir, "alone"))
	s := withKeys(t, dir, "0123456789ab_cpu")
	at := []string{"--nats", "tls://" + s.address, "--store", filepath.Join(dir, "head", "store")}
	worker := append([]string{"worker", "--train", "--device", "cpu", "--threads", "1"}, at...)
	var p *program
	t.Cleanup(func() { // when it has ended
		if log := p.errs.String(); strings.Contains(log, "deny") || !strings.Contains(log, "began") {
			t.Errorf("the worker's log is\n%s", log)
		}
	})
	p = starting(t, append(worker, s.trainer...)...)
	p.line()
	if got := studied(t, file, filepath.Join(dir, "tls"), append(at, s.others...)...); got != want {
		t.Errorf("got scores\n%s\nexpected\n%s", got, want)
	}
	ran(t, exitFailed, append(append(worker, "--name", "two"), s.workers["two"]...)...)
}
