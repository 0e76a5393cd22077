package study

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/runs"
	"github.com/declip/declip/internal/jobs/store"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/train"
)

// fleetOf is a fleet on an engine, with a store in a directory.
func fleetOf(t *testing.T, e queue.Engine, dir string) *Fleet {
	t.Helper()
	s, err := store.OpenDir(filepath.Join(dir, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &Fleet{Engine: e, Store: s, Tenant: "default", Pool: "train_cpu", Poll: 20 * time.Millisecond}
}

// employ runs a worker of a fleet until stop is called.
func employ(t *testing.T, f *Fleet, id string, hooks func(*Run) train.Hooks) (stop func()) {
	t.Helper()
	w := &Worker{
		ID: id, Engine: f.Engine, Store: f.Store, Pool: f.Pool, Dir: t.TempDir(), SaveEvery: time.Nanosecond, Hooks: hooks,
		Options: Options{Library: enginetest.Library(t), Device: "cpu", Threads: 1, Program: "v1.2.3"}, Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := parallel.Go(func() error { return w.Run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("worker %s: %v", id, err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// doTogether does a study with a fleet.
func doTogether(t *testing.T, f File, fleet *Fleet, seen func(what string, e runs.Entry)) *Plan {
	t.Helper()
	p, err := NewPlan(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Library: enginetest.Library(t), Device: "cpu", Threads: 1, Fleet: fleet, Events: Events{Fleet: seen}}
	if err := p.Do(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	return p
}

// times are what differs between two runs of one study: durations, and the digests of files that
// hold them.
var times = regexp.MustCompile(`"(seconds|time|sha256)": ?("[^"]*"|[0-9.e+-]+)`)

// sameStudy compares two studies that were done in different ways: weights, scores and report.
func sameStudy(t *testing.T, got, want *Plan) {
	t.Helper()
	for i, r := range got.Runs {
		if r.Problem != "" {
			t.Fatalf("%s: %s", r.Name(), r.Problem)
		}
		if a, b := tensorsOf(t, r.File), tensorsOf(t, want.Runs[i].File); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: the weights differ", r.Name())
		}
		a, b := r.facts, want.Runs[i].facts
		a.Seconds, b.Seconds = 0, 0
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got facts %+v, expected %+v", r.Name(), a, b)
		}
	}
	for i, c := range got.Cells {
		if !c.Done {
			t.Fatalf("cell %s on %s is empty: %s", c.Run.Name(), c.Test, c.Problem)
		}
		if a, b := scoresOf(t, c.result.Pictures), scoresOf(t, want.Cells[i].result.Pictures); a != b {
			t.Errorf("cell %s on %s: scores\n%s\nexpected\n%s", c.Run.Name(), c.Test, a, b)
		}
	}
	text := func(p *Plan) string {
		all := strings.ReplaceAll(read(t, filepath.Join(p.File.Out, "results.json")), p.File.Out, "OUT")
		return times.ReplaceAllString(all, `"$1": 0`)
	}
	if a, b := text(got), text(want); a != b {
		t.Errorf("results.json:\n%s\nexpected\n%s", a, b)
	}
}

func tensorsOf(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string][]float32{}
	for _, name := range f.Names() {
		if all[name], err = f.Float32s(name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// A worker that hangs in the middle of a training loses it to another one, and changes nothing when
// it wakes up. The study is the same as without a fleet.
func TestFleetFencesWorkers(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	whole := mustDo(t, f, 2, 4)
	f.Out = filepath.Join(dir, "together")
	fleet := fleetOf(t, &queue.Memory{AckWait: 3 * time.Second}, dir)
	hung, wake := make(chan struct{}), make(chan struct{})
	var once sync.Once
	employ(t, fleet, "w1", func(*Run) train.Hooks {
		return train.Hooks{Step: func(s train.StepReport) {
			if s.Step == 5 { // after the checkpoint of the first epoch
				once.Do(func() {
					close(hung)
					<-wake
				})
			}
		}}
	})
	over := make(chan struct{})
	second := parallel.Go(func() error {
		select {
		case <-hung:
			employ(t, fleet, "w2", nil)
			return nil
		case <-over:
			return errors.New("no training has come to the step")
		}
	})
	var claims []string
	done := false
	p := doTogether(t, f, fleet, func(what string, e runs.Entry) {
		claims = append(claims, fmt.Sprint(what, " ", e.Worker, " ", e.Attempt))
		if e.Worker == "w2" && e.Attempt == 2 && !done {
			done = true
			close(wake)
		}
	})
	close(over)
	if err := <-second; err != nil || !done {
		t.Fatalf("%v; the second worker has claimed nothing: %q; %s", err, claims, p.Runs[0].Problem)
	}
	if joined := strings.Join(claims, "\n"); !strings.Contains(joined, "w2 2") {
		t.Errorf("no training was taken over:\n%s", joined)
	}
	sameStudy(t, p, whole.plan)
}

// The test's own program serves as the process that is killed: it runs this test with this
// variable set to the directory of the study.
const fleetChild = "STUDY_TEST_DIR"

// alone does a study in an embedded queue, as "declip study --jobs" does.
func alone(t *testing.T, f File, dir string, hooks func(*Run) train.Hooks, seen func(string, runs.Entry)) *Plan {
	t.Helper()
	e, err := queue.Start(context.Background(), filepath.Join(dir, "queue"), queue.Hooks{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	fleet := fleetOf(t, e, dir)
	if err := fleet.Clear(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer employ(t, fleet, "w", hooks)()
	return doTogether(t, f, fleet, seen)
}

func TestFleetChild(t *testing.T) {
	dir := os.Getenv(fleetChild)
	if dir == "" {
		return
	}
	f := tiny(t, dir)
	f.Out = filepath.Join(dir, "together")
	alone(t, f, dir, func(*Run) train.Hooks {
		return train.Hooks{Step: func(s train.StepReport) {
			fmt.Println("step", s.Step)
			time.Sleep(50 * time.Millisecond)
		}}
	}, nil)
}

// A study whose process is killed in the middle of a training, after a checkpoint, continues from
// the checkpoint, and is the same as without a fleet.
func TestFleetSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	whole := mustDo(t, f, 2, 4)
	f.Out = filepath.Join(dir, "together")
	cmd := exec.Command(os.Args[0], "-test.run=^TestFleetChild$")
	// A killed test leaves its files.
	cmd.Env = append(os.Environ(), fleetChild+"="+dir, "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	found := false
	for !found && lines.Scan() {
		found = lines.Text() == "step 5"
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !found {
		t.Fatal("the process has ended before it was killed")
	}
	attempts, first := 0, map[string]int64{} // the first step of each training
	p := alone(t, f, dir, func(r *Run) train.Hooks {
		return train.Hooks{Step: func(s train.StepReport) {
			if first[r.Train] == 0 {
				first[r.Train] = s.Step
			}
		}}
	}, func(_ string, e runs.Entry) { attempts = max(attempts, e.Attempt) })
	if attempts != 2 || first["noise"] != 4 || first["light"] != 1 {
		t.Errorf("%d attempts, and the first steps %v, expected 2, and that noise continues with step 4", attempts, first)
	}
	sameStudy(t, p, whole.plan)
	if last, _ := filepath.Glob(filepath.Join(f.Out, "runs", "*", train.LastFile)); len(last) > 0 {
		t.Errorf("%v: finished trainings leave more than they need", last)
	}
}

// What fails on a worker is a problem of the study, as without a fleet, and the rest is done.
// Models that were trained without the fleet are tested by it.
func TestFleetProblems(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	first := f
	first.Data = f.Data[:1]
	mustDo(t, first, 1, 1)
	f.Data = append(f.Data, Set{Name: "bad", Data: filepath.Join(dir, "bad")})
	writeSet(t, filepath.Join(dir, "bad"), "bad")
	// Its header is good, so that only the training finds it.
	const half = 500
	if err := os.Truncate(filepath.Join(dir, "bad", "train", "images", "01.png"), half); err != nil {
		t.Fatal(err)
	}
	fleet := fleetOf(t, &queue.Memory{}, dir)
	employ(t, fleet, "w", nil)
	p := doTogether(t, f, fleet, nil)
	if !p.Runs[0].Done || !p.Runs[1].Done || !strings.Contains(p.Runs[2].Problem, "01.png") {
		t.Errorf("got %v, %v and problem %q", p.Runs[0].Done, p.Runs[1].Done, p.Runs[2].Problem)
	}
	filled := 0
	for _, c := range p.Cells {
		if c.Done {
			filled++
		}
	}
	if filled != 6 {
		t.Errorf("%d cells are filled, expected those of two models on three sets", filled)
	}
}

// A worker whose data differ refuses, and the reason is given.
func TestFleetRefuses(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	f.Data = f.Data[:1]
	p, err := NewPlan(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	p.Runs[0].key = strings.Repeat("0", 64)
	fleet := fleetOf(t, &queue.Memory{}, dir)
	w := &Worker{ID: "w", Store: fleet.Store, Dir: t.TempDir()}
	name, key, err := putStudy(context.Background(), fleet.Store, f)
	if err != nil || name == "" {
		t.Fatal(err)
	}
	_, _, err = w.open(context.Background(), task{Kind: taskTrain, Study: key, Runs: []taskRun{p.Runs[0].task()}})
	if err == nil || !strings.Contains(err.Error(), "noise") || !strings.Contains(err.Error(), "differ") {
		t.Errorf("got %v, expected that the data of noise differ", err)
	}
}

// Workers get the study that its author has written.
func TestShip(t *testing.T) {
	f := DefaultFile()
	f.Kind, f.Title = report.Backbones, "a title"
	f.Data = []Set{{Name: "a", Data: "/sets/a", Masks: "black"}, {Name: "b", Train: "/b/train", Test: "/b/test", Resize: true}}
	f.Tests = []Set{{Name: "c", Test: "relative/c", Images: "relative/images"}}
	f.Models = []Model{{"lite", "lite"}}
	f.Backbones = []Backbone{{Name: "one", Arch: "RN50", Layer: "layer3", Files: []string{"/weights/rn50"}}}
	f.Perturb, f.Layers = []string{"jpeg:75"}, []string{"layer1"}
	f.Train.MaxTime, f.Train.Augment.JPEG, f.Train.SkipBad = time.Hour, 0.5, true
	f.Evaluation.Limit, f.Cache.SizeGB = 7, 2
	text, err := ship(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unship(text)
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := f
	want.Tests = []Set{{Name: "c", Test: filepath.Join(here, "relative/c"), Images: filepath.Join(here, "relative/images")}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nexpected\n%+v", got, want)
	}
	for _, text := range []string{"", "null", `{"v":2}`, `{"v":1,"kind":"train"}`, `{"v":1,"kind":"test","runs":[{}]}`} {
		if _, err := decodeTask([]byte(text)); !errors.Is(err, errTask) {
			t.Errorf("task %q: got %v", text, err)
		}
		if _, err := unship([]byte(text)); len(text) < 8 && !errors.Is(err, errTask) {
			t.Errorf("study %q: got %v", text, err)
		}
	}
}
