package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/weights"
)

// One flipped bit anywhere in last.safetensors is an error of the resumed training, which leaves
// the directory as it is.
func TestResumeNoticesDamage(t *testing.T) {
	c := config(t, open(t))
	c.Epochs = 1
	last := mustRun(t, c).Last
	log := filepath.Join(c.Out, logFile)
	before := read(t, log)
	good := read(t, last)
	c.Resume, c.Epochs = true, 2
	for i := range 25 {
		data := []byte(good)
		at := i * (len(data) - 1) / 24
		data[at] ^= 1 << (i % 8)
		if err := os.WriteFile(last, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(context.Background(), c); !errors.Is(err, weights.ErrDamaged) && !errors.Is(err, weights.ErrFormat) {
			t.Errorf("bit %d of byte %d of %d: got error %v, expected ErrDamaged or ErrFormat", i%8, at, len(data), err)
		}
	}
	if read(t, log) != before {
		t.Error("the log was changed")
	}
	if err := os.WriteFile(last, []byte(good), 0o644); err != nil {
		t.Fatal(err)
	}
	if s := mustRun(t, c); s.State.Epoch != 2 {
		t.Errorf("with the good file: got %d epochs, expected 2", s.State.Epoch)
	}
}

// A checkpoint without a digest, as earlier versions wrote it, is resumed with a notice.
func TestResumeWithoutDigest(t *testing.T) {
	c := config(t, open(t))
	c.Epochs = 1
	last := mustRun(t, c).Last
	f, err := weights.Open(last)
	if err != nil {
		t.Fatal(err)
	}
	tensors := f.Tensors()
	for i := range tensors {
		if tensors[i].Data, err = f.Bytes(tensors[i].Name); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(weights.Write(last, tensors, weights.Unsealed(f.Metadata())), f.Close()); err != nil {
		t.Fatal(err)
	}
	var notices []string
	c.Hooks.Notice = func(text string) { notices = append(notices, text) }
	c.Resume, c.Epochs = true, 2
	if s := mustRun(t, c); s.State.Epoch != 2 {
		t.Errorf("got %d epochs, expected 2", s.State.Epoch)
	}
	if text := strings.Join(notices, "\n"); !strings.Contains(text, last+" has no digest") {
		t.Errorf("got notices %q, expected one about the missing digest", notices)
	}
}

// Resuming without last.safetensors must not start over in a directory with results.
func TestResumeNeedsLast(t *testing.T) {
	c := config(t, open(t))
	c.Epochs = 1
	s := mustRun(t, c)
	if err := os.Remove(s.Last); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(c.Out, logFile)
	before, best := read(t, log), read(t, s.Best)
	c.Resume = true
	if _, err := Run(context.Background(), c); !errors.Is(err, ErrOccupied) || !strings.Contains(err.Error(), "no last.safetensors") {
		t.Errorf("got error %v, expected ErrOccupied about last.safetensors", err)
	}
	if read(t, log) != before || read(t, s.Best) != best {
		t.Error("the log or the best checkpoint was changed")
	}
}

// Each result of a training alone keeps another one from starting in its directory, until Force
// removes all of them.
func TestNoResultIsReplaced(t *testing.T) {
	c := config(t, open(t))
	c.Epochs = 2
	s := mustRun(t, c)
	log := filepath.Join(c.Out, logFile)
	kept := map[string]string{s.Last: read(t, s.Last), s.Best: read(t, s.Best), log: read(t, log)}
	for path, data := range kept {
		c.Out = t.TempDir()
		alone := filepath.Join(c.Out, filepath.Base(path))
		if err := os.WriteFile(alone, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, resume := range []bool{false, true} {
			if c.Resume = resume; resume && path == s.Last {
				continue // that is what resuming is for
			}
			if _, err := Run(context.Background(), c); !errors.Is(err, ErrOccupied) || !strings.Contains(err.Error(), "--force") {
				t.Errorf("%s alone, resuming %t: got error %v, expected ErrOccupied", filepath.Base(path), resume, err)
			}
			if read(t, alone) != data {
				t.Errorf("%s was changed", alone)
			}
		}
		c.Resume, c.Force = false, true
		c.Epochs = 1
		if s := mustRun(t, c); s.State.Epoch != 1 || strings.Count(read(t, filepath.Join(c.Out, logFile)), `"event":"epoch"`) != 1 {
			t.Errorf("%s alone, with Force: %d epochs, or the old log is left", filepath.Base(path), s.State.Epoch)
		}
		c.Force, c.Epochs = false, 2
	}
	// A run that was killed before its first checkpoint left a log of one epoch at most.
	c.Out, c.Resume = t.TempDir(), true
	first, _, _ := strings.Cut(kept[log], "\n")
	if err := os.WriteFile(filepath.Join(c.Out, logFile), []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := mustRun(t, c); s.State.Epoch != 2 {
		t.Errorf("got %d epochs after a run that was killed early, expected 2", s.State.Epoch)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
