//go:build linux || darwin

package train

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/train/tensorboard"
)

// holed is a source with some pictures that cannot be loaded.
type holed struct {
	patches
	bad []int
}

var errHole = errors.New("a hole")

func (h holed) Load(ctx context.Context, i int) (dataset.Sample, error) {
	if slices.Contains(h.bad, i) {
		return dataset.Sample{}, fmt.Errorf("%s: %w", h.Name(i), errHole)
	}
	return h.patches.Load(ctx, i)
}

func (h holed) Name(i int) string { return fmt.Sprintf("hole%d.jpg", i) }

// childTraining is the training that is killed: a decoder on a frozen backbone with a checkpoint
// after every step, and with unreadable pictures in both data sets.
func childTraining(t *testing.T, e *engine.Engine, out, backbone, cache string) Config {
	c := headConfig(t, e, network.Spec{Arch: "ViT", Layer: "layer0", Decoder: "conv-4", Widths: smallWidths}, backbone)
	c.Out, c.Cache.Dir, c.Resume, c.Average = out, cache, true, 0.9
	c.Epochs, c.BatchSize, c.Draws, c.SaveSteps, c.SkipBad = 3, 4, 1, 1, true
	c.TrainSource, c.ValidSource = holed{patches{16}, []int{5, 6}}, holed{patches{5}, []int{2}}
	return c
}

// The test's own program serves as the process that is killed: it runs this test with these
// variables set.
const (
	childOut      = "TRAIN_TEST_OUT"
	childBackbone = "TRAIN_TEST_BACKBONE"
	childCache    = "TRAIN_TEST_CACHE"
	childLimit    = "TRAIN_TEST_LIMIT" // largest size of a file in bytes
)

func TestChild(t *testing.T) {
	out := os.Getenv(childOut)
	if out == "" {
		return
	}
	c := childTraining(t, open(t), out, os.Getenv(childBackbone), os.Getenv(childCache))
	c.Hooks.Start = func(Config, About) { fmt.Println("begun") }
	if n, err := strconv.ParseUint(os.Getenv(childLimit), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if _, err := Run(ctx, c); err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("finished")
}

// startChild starts the process and waits until it trains.
func startChild(t *testing.T, variables ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	// A killed test leaves its files.
	cmd.Env = append(append(os.Environ(), "TMPDIR="+t.TempDir()), variables...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	if line, err := lines.ReadString('\n'); err != nil || line != "begun\n" {
		rest, _ := io.ReadAll(lines)
		t.Fatalf("the process says %q %v %s", line, err, rest)
	}
	return cmd, lines
}

func rest(t *testing.T, cmd *exec.Cmd, lines *bufio.Reader) string {
	t.Helper()
	text, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return string(text)
}

// A training that is killed at any moment and resumed, several times, ends with the weights of an
// uninterrupted one, and with a log and curves that contain every step once.
func TestKilledAtAnyMoment(t *testing.T) {
	vit, _ := towers(t)
	out, cache := t.TempDir(), t.TempDir()
	whole := childTraining(t, open(t), t.TempDir(), vit, "")
	reference := mustRun(t, whole)
	variables := []string{childOut + "=" + out, childBackbone + "=" + vit, childCache + "=" + cache}
	r := rand.New(rand.NewPCG(3, 4))
	killed := 0
	for killed < 8 {
		cmd, lines := startChild(t, variables...)
		time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
		if killed%3 == 2 {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		} else {
			_ = cmd.Process.Kill()
		}
		if said := rest(t, cmd, lines); strings.Contains(said, "finished") {
			break
		} else if strings.Contains(said, "error:") && !strings.Contains(said, "interrupted") {
			t.Fatal(said)
		}
		killed++
	}
	if killed < 3 {
		t.Errorf("the process was killed %d times only", killed)
	}
	cmd, lines := startChild(t, variables...)
	if said := rest(t, cmd, lines); !strings.Contains(said, "finished") {
		t.Fatal(said)
	}
	for _, name := range []string{LastFile, bestFile} {
		if !sameTensors(t, filepath.Join(out, name), filepath.Join(whole.Out, name)) {
			t.Errorf("killed %d times: %s has other weights than an uninterrupted run's", killed, name)
		}
	}
	if litter, _ := filepath.Glob(filepath.Join(out, ".*.tmp")); len(litter) > 0 {
		t.Errorf("half-written files are left: %v", litter)
	}
	checkRecords(t, out, reference.State)
}

// checkRecords compares the log and the event files with each other and with the expected contents:
// every step, epoch and bad picture once.
func checkRecords(t *testing.T, out string, s State) {
	t.Helper()
	lines := logLines(t, out)
	var steps, epochs []int64
	var skipped []string
	var want []tensorboard.Scalar
	for _, line := range lines {
		switch line.Event {
		case "step":
			steps = append(steps, line.Step)
		case "epoch":
			epochs = append(epochs, int64(line.Epoch))
		case "skip":
			skipped = append(skipped, line.Picture)
		}
		values, err := line.scalars()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			v.Value = float64(float32(v.Value))
			want = append(want, v)
		}
	}
	count := func(n int64) (list []int64) {
		for i := range n {
			list = append(list, i+1)
		}
		return list
	}
	if diff := cmp.Diff(count(s.Step), steps); diff != "" {
		t.Errorf("steps in the log: %s", diff)
	}
	if diff := cmp.Diff(count(int64(s.Epoch)), epochs); diff != "" {
		t.Errorf("epochs in the log: %s", diff)
	}
	slices.Sort(skipped)
	if diff := cmp.Diff([]string{"hole2.jpg", "hole5.jpg", "hole6.jpg"}, skipped); diff != "" {
		t.Errorf("skipped pictures in the log: %s", diff)
	}
	scalars, images := boardEvents(t, out)
	if diff := cmp.Diff(want, scalars); diff != "" {
		t.Errorf("the curves are not those of the log: %s", diff)
	}
	if want := 4 * s.Epoch; len(images) != want { // one of five pictures cannot be read
		t.Errorf("got %d pictures, expected %d", len(images), want)
	}
}

func logLines(t *testing.T, out string) (list []record) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, logFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("log: %v in %q", err, line)
		}
		list = append(list, r)
	}
	return list
}

// boardEvents reads all event files of a directory.
func boardEvents(t *testing.T, out string) (scalars []tensorboard.Scalar, images []tensorboard.Image) {
	t.Helper()
	names, err := tensorboard.Files(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		events, err := tensorboard.Read(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			scalars, images = append(scalars, e.Scalars...), append(images, e.Images...)
		}
	}
	return scalars, images
}

// A checkpoint that cannot be written leaves the previous one, and a training resumed from it gives
// the same weights as without the failure.
func TestCheckpointCannotBeWritten(t *testing.T) {
	vit, _ := towers(t)
	e := open(t)
	whole := childTraining(t, e, t.TempDir(), vit, "")
	mustRun(t, whole)
	out := t.TempDir()
	c := childTraining(t, e, out, vit, "")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.Hooks.Step = func(r StepReport) {
		if r.Step == 6 {
			cancel()
		}
	}
	if _, err := Run(ctx, c); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("got %v", err)
	}
	last := filepath.Join(out, LastFile)
	before, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	cmd, lines := startChild(t, childOut+"="+out, childBackbone+"="+vit, childCache+"="+t.TempDir(),
		childLimit+"="+strconv.Itoa(len(before)-1000))
	said := rest(t, cmd, lines)
	for _, want := range []string{"error: checkpoint: " + last, syscall.EFBIG.Error(), "nothing up to step 6 is lost", "--resume"} {
		if !strings.Contains(said, want) {
			t.Errorf("got %q, expected %q in it", said, want)
		}
	}
	after, err := os.ReadFile(last)
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("the former checkpoint changed: %v", err)
	}
	c.Hooks = Hooks{}
	resumed := mustRun(t, c)
	if !sameTensors(t, resumed.Last, filepath.Join(whole.Out, LastFile)) {
		t.Error("the weights differ from those of an uninterrupted run")
	}
	checkRecords(t, out, resumed.State)
}

// An unreadable picture ends the training, which keeps its progress. Resumed with SkipBad, the
// training gives the same weights as with SkipBad from the beginning.
func TestBadPicture(t *testing.T) {
	e := open(t)
	vit, _ := towers(t)
	skipping := childTraining(t, e, t.TempDir(), vit, "")
	var notices []string
	skipping.Hooks.Notice = func(text string) { notices = append(notices, text) }
	whole := mustRun(t, skipping)
	if len(notices) != 3 || !strings.Contains(strings.Join(notices, "\n"), "left out: hole5.jpg: a hole") {
		t.Errorf("got notices %q, expected one for each bad picture", notices)
	}
	c := childTraining(t, e, t.TempDir(), vit, "")
	c.SkipBad, c.SaveSteps, c.NoTensorBoard = false, 0, true
	_, err := Run(context.Background(), c)
	if !errors.Is(err, errHole) {
		t.Fatalf("got %v, expected an error with the picture's", err)
	}
	for _, want := range []string{".jpg", "--skip-bad", "is lost: --resume"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, expected %q in it", err, want)
		}
	}
	c.SkipBad = true
	resumed := mustRun(t, c)
	if !sameTensors(t, whole.Last, resumed.Last) || !sameTensors(t, whole.Best, resumed.Best) {
		t.Error("resumed with SkipBad the weights differ from those of a run that had it from the beginning")
	}
	if files, err := tensorboard.Files(c.Out); err != nil || len(files) > 0 {
		t.Errorf("event files though none were wanted: %v, %v", files, err)
	}
	c.TrainSource, c.Out = holed{patches{3}, []int{0, 1, 2}}, t.TempDir()
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "none of 3 pictures can be loaded") {
		t.Errorf("nothing but bad pictures: got %v", err)
	}
}

// Two trainings cannot write to one directory.
func TestOneTrainingAtATime(t *testing.T) {
	e := open(t)
	c := config(t, e)
	c.Epochs = 1
	tried := false
	c.Hooks.Step = func(StepReport) {
		if tried {
			return
		}
		tried = true
		second := c
		second.Hooks = Hooks{}
		if _, err := Run(context.Background(), second); !errors.Is(err, ErrOccupied) || !strings.Contains(err.Error(), "still running") {
			t.Errorf("got %v, expected %v", err, ErrOccupied)
		}
	}
	mustRun(t, c)
	if !tried {
		t.Error("nothing was tried")
	}
}
