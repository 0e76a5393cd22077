package study

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/declip/declip/internal/evaluate"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/train"
)

// writeSet writes a data set of pictures in which a square is noisy, or brighter. The last of each
// part is untouched.
func writeSet(t *testing.T, dir, how string) {
	t.Helper()
	for part, n := range map[string]int{"train": 5, "valid": 3, "test": 4} {
		for _, sub := range []string{"images", "masks"} {
			if err := os.MkdirAll(filepath.Join(dir, part, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for i := range n {
			p, m := scene(how+part, i, i < n-1)
			name := fmt.Sprintf("%02d.png", i)
			if err := errors.Join(picture.WritePNG(filepath.Join(dir, part, "images", name), p), picture.WritePNG(filepath.Join(dir, part, "masks", name), m)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func scene(how string, i int, manipulated bool) (*picture.RGB, *picture.Gray) {
	const w, h = 48, 40
	p, m := picture.NewRGB(w, h), picture.NewGray(w, h)
	name := fnv.New64a()
	name.Write([]byte(how))
	r := rand.New(rand.NewPCG(name.Sum64(), uint64(i)))
	for k := range p.Pix {
		p.Pix[k] = uint8(100 + r.IntN(4))
	}
	x0, y0 := r.IntN(w/2), r.IntN(h/2)
	for y := y0; manipulated && y < y0+14; y++ {
		for x := x0; x < x0+14; x++ {
			m.Pix[y*w+x] = 255
			for c := range 3 {
				v := &p.Pix[3*(y*w+x)+c]
				if strings.HasPrefix(how, "noise") {
					*v = uint8(60 + r.IntN(80))
				} else {
					*v += 70
				}
			}
		}
	}
	return p, m
}

// tiny is a study of two data sets that takes a second or two.
func tiny(t *testing.T, dir string) File {
	t.Helper()
	clip := filepath.Join(dir, "clip.safetensors")
	if _, err := os.Stat(clip); err != nil {
		if err := weights.Write(clip, networktest.Tensors(networktest.ViT("visual.", 64, 8, 3, 3)), nil); err != nil {
			t.Fatal(err)
		}
	}
	f := DefaultFile()
	f.Kind, f.Out = report.CrossGenerator, filepath.Join(dir, "out")
	f.Network = network.Spec{Arch: "ViT", Layer: "layer1", Decoder: network.DecoderLinear}
	f.Train.Epochs, f.Train.BatchSize, f.Train.LR, f.Train.BackboneFiles = 2, 2, 0.01, []string{clip}
	f.Cache.Dir = filepath.Join(dir, "cache")
	f.Evaluation.Bootstrap, f.Evaluation.Samples = 20, 1
	for _, name := range []string{"noise", "light"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			writeSet(t, filepath.Join(dir, name), name)
		}
		f.Data = append(f.Data, Set{Name: name, Data: filepath.Join(dir, name)})
	}
	return f
}

// done is what a run of a study did.
type done struct {
	trained, scored int
	plan            *Plan
}

// do runs a study and counts what it does.
func do(ctx context.Context, t *testing.T, f File) (done, error) {
	t.Helper()
	p, err := NewPlan(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	d := done{plan: p}
	for _, c := range p.Cells {
		if !c.Done {
			d.scored++
		}
	}
	o := Options{Library: enginetest.Library(t), Device: "cpu", Threads: 1, Program: "v1.2.3", Events: Events{
		Training: func(*Run, int, int) train.Hooks { d.trained++; return train.Hooks{} }}}
	err = p.Do(ctx, o)
	for _, c := range p.Cells {
		if !c.Done {
			d.scored--
		}
	}
	return d, err
}

func mustDo(t *testing.T, f File, trained, scored int) done {
	t.Helper()
	d, err := do(context.Background(), t, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.plan.Runs {
		if r.Problem != "" {
			t.Fatalf("%s: %s", r.Name(), r.Problem)
		}
	}
	if d.trained != trained || d.scored != scored {
		t.Errorf("%d models were trained and %d cells filled, want %d and %d", d.trained, d.scored, trained, scored)
	}
	return d
}

// Only what changed is done again.
func TestStudyGoesOn(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	mustDo(t, f, 2, 4)
	page, err := os.ReadFile(filepath.Join(f.Out, report.PageFile))
	if err != nil || !strings.Contains(string(page), "Tested on light") {
		t.Errorf("the report: %v; it does not show pictures of light", err)
	}
	if last, _ := filepath.Glob(filepath.Join(f.Out, "runs", "*", "last.safetensors")); len(last) > 0 {
		t.Errorf("%v: finished trainings leave more than they need", last)
	}
	mustDo(t, f, 0, 0)

	more := f
	writeSet(t, filepath.Join(dir, "third"), "third")
	more.Tests = []Set{{Name: "third", Test: filepath.Join(dir, "third", "test")}}
	mustDo(t, more, 0, 2)
	other := f
	other.Evaluation.Threshold = 0.4
	mustDo(t, other, 0, 4)
	other = f
	other.Train.LR = 0.02
	mustDo(t, other, 2, 4)
	mustDo(t, f, 0, 0) // and the first is still there

	if err := os.Remove(filepath.Join(dir, "noise", "train", "images", "00.png")); err != nil {
		t.Fatal(err)
	}
	mustDo(t, f, 1, 2) // other data, another model
}

// A study that was interrupted in the middle of a training ends with the scores of one that was
// not.
func TestStudyAfterInterruption(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	whole := mustDo(t, f, 2, 4)
	f.Out = filepath.Join(dir, "other")
	p, err := NewPlan(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := Options{Library: enginetest.Library(t), Device: "cpu", Threads: 1}
	o.Events.Training = func(r *Run, number, _ int) train.Hooks {
		return train.Hooks{Step: func(s train.StepReport) {
			if number == 2 && s.Step == 3 {
				cancel()
			}
		}}
	}
	if err := p.Do(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: error %v", err)
	}
	if page, err := os.ReadFile(filepath.Join(f.Out, report.PageFile)); err != nil || !strings.Contains(string(page), "not trained yet") {
		t.Errorf("the report of what was there: %v", err)
	}
	again, err := NewPlan(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Runs[0].Done || again.Runs[1].Done || !again.Runs[1].Begun {
		t.Errorf("after the interruption: first model done %v, second done %v, begun %v", again.Runs[0].Done, again.Runs[1].Done, again.Runs[1].Begun)
	}
	resumed := mustDo(t, f, 1, 4)
	for i, c := range resumed.plan.Cells {
		if got, want := scoresOf(t, c.result.Pictures), scoresOf(t, whole.plan.Cells[i].result.Pictures); got != want {
			t.Errorf("cell %d: scores\n%s\nwant those of the uninterrupted study\n%s", i, got, want)
		}
	}
}

func scoresOf(t *testing.T, pictures []evaluate.Picture) string {
	t.Helper()
	text, err := json.Marshal(pictures)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What can't be done is said, and the rest is done.
func TestStudyWithProblems(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	f.Data = append(f.Data, Set{Name: "gone", Data: filepath.Join(dir, "nowhere")})
	if err := os.WriteFile(filepath.Join(dir, "light", "test", "images", "01.png"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := do(context.Background(), t, f)
	if err != nil {
		t.Fatal(err)
	}
	if d.trained != 2 || d.scored != 4 {
		t.Errorf("%d models were trained and %d cells filled, want 2 and 4", d.trained, d.scored)
	}
	page, err := os.ReadFile(filepath.Join(f.Out, report.PageFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5 of 9 cells (a model on a test set) are missing", "nowhere", "01.png", "light → light, 1 picture"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
}

// A data set that is only for testing need not have splits, however it is named.
func TestTestsWithoutSplits(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	flat := filepath.Join(dir, "light", "test") // images/ and masks/ in it
	f.Tests = []Set{{Name: "named", Test: flat}, {Name: "mapped", Data: flat}}
	p, err := NewPlan(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Cells {
		if c.Problem != "" || c.Pictures != 4 {
			t.Errorf("%s on %s: %d pictures, problem %q: expected 4 and none", c.Run.Name(), c.Test, c.Pictures, c.Problem)
		}
	}
	f.Data = append(f.Data, Set{Name: "flat", Data: flat}) // this one is for training
	if p, err = NewPlan(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	if problem := p.Cells[len(p.Cells)-1].Run.Problem; !strings.Contains(problem, "no splits") {
		t.Errorf("problem %q, expected that training needs splits", problem)
	}
}

// Given models are tested, not trained; treatments are kept apart.
func TestRobustnessOfGivenModels(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	first := mustDo(t, f, 2, 4)
	g := DefaultFile()
	g.Kind, g.Out, g.Perturb = report.Robustness, filepath.Join(dir, "robust"), []string{"jpeg:50", "noise:30"}
	g.Data, g.Models = f.Data, []Model{{"noise", first.plan.Runs[0].File}, {"light", first.plan.Runs[1].File}}
	g.Evaluation, g.Cache = f.Evaluation, f.Cache
	g.Evaluation.Clip = f.Train.BackboneFiles
	d := mustDo(t, g, 0, 12)
	for i, c := range d.plan.Cells {
		untreated := first.plan.Cells[i/3].result.Pictures
		if same := scoresOf(t, c.result.Pictures) == scoresOf(t, untreated); same != (c.Treatment.Kind == "") {
			t.Errorf("cell %s on %s with %q: the scores equal those without: %v", c.Run.Name(), c.Test, c.Treatment, same)
		}
	}
	g.Perturb = append(g.Perturb, "blur:1")
	mustDo(t, g, 0, 4)
	if figures, _ := filepath.Glob(filepath.Join(g.Out, "figures", "robustness-*.svg")); len(figures) != 3 {
		t.Errorf("figures %v, want one for each of three treatments", figures)
	}
}

// Given methods are run on the same pictures and shown side by side.
func TestFigure2(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	first := mustDo(t, f, 2, 4)
	g := DefaultFile()
	g.Kind, g.Out, g.Tests = report.Figure2, filepath.Join(dir, "figure2"), f.Data
	g.Evaluation, g.Cache = f.Evaluation, f.Cache
	g.Evaluation.Clip = f.Train.BackboneFiles
	if err := g.Validate(); err == nil || !strings.Contains(err.Error(), "models") {
		t.Errorf("without models: got %v", err)
	}
	g.Models = []Model{{"one", first.plan.Runs[0].File}, {"two", first.plan.Runs[1].File}}
	mustDo(t, g, 0, 4)
	page := read(t, filepath.Join(g.Out, report.PageFile))
	if n := strings.Count(page, "alt=\"map of "); n != 4 {
		t.Errorf("the report shows %d maps, want those of two methods for two pictures", n)
	}
	checkProvenance(t, g, page)
	mustDo(t, g, 0, 0)
	checkProvenance(t, g, read(t, filepath.Join(g.Out, report.PageFile))) // from the stored cells
}

// checkProvenance checks that the results of a study of given models name their files and what ran
// them, and that every score over all pixels has its table.
func checkProvenance(t *testing.T, f File, page string) {
	t.Helper()
	var results report.Results
	if err := json.Unmarshal([]byte(read(t, filepath.Join(f.Out, report.ResultsFile))), &results); err != nil {
		t.Fatal(err)
	}
	for i, r := range results.Runs {
		var files, want []string
		for _, w := range r.Weights {
			files = append(files, w.SHA256)
		}
		for _, name := range append([]string{f.Models[i].File}, f.Evaluation.Clip...) {
			want = append(want, fmt.Sprintf("%x", sha256.Sum256([]byte(read(t, name)))))
		}
		if !slices.Equal(files, want) {
			t.Errorf("%s: weights %q, want %q", r.Train, files, want)
		}
		if len(want) == 0 || !strings.Contains(page, want[0][:12]) {
			t.Errorf("%s: the report does not have %.12s", r.Train, want)
		}
		if len(r.ScoredWith) != 1 || !strings.HasPrefix(r.ScoredWith[0], "declip v1.2.3, ONNX Runtime 1.") {
			t.Errorf("%s: scored with %q", r.Train, r.ScoredWith)
		}
	}
	for _, name := range []string{"f1_plain", "balanced_accuracy", "mcc"} {
		if _, err := os.Stat(filepath.Join(f.Out, "tables", "methods-"+name+".csv")); err != nil {
			t.Error(err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Decoders are compared on one network; one that does not exist is missing, the rest is there.
func TestDecoders(t *testing.T) {
	dir := t.TempDir()
	f := tiny(t, dir)
	f.Kind, f.Decoders = report.Decoders, []string{"linear", "magic"}
	d, err := do(context.Background(), t, f)
	if err != nil {
		t.Fatal(err)
	}
	if d.trained != 2 || d.scored != 4 {
		t.Errorf("%d models were trained and %d cells filled, want 2 and 4", d.trained, d.scored)
	}
	if i := slices.IndexFunc(d.plan.Runs, func(r *Run) bool { return strings.Contains(r.Problem, "magic") }); i != 2 {
		t.Errorf("the problem of the unknown decoder is run %d's", i)
	}
}
