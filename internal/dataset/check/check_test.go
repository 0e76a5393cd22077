package check

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// put writes a grey picture of 40 x 30 pixels, told from others by its level.
func put(t *testing.T, level uint8, parts ...string) {
	t.Helper()
	p := picture.NewRGB(40, 30)
	for i := range p.Pix {
		p.Pix[i] = level
	}
	save(t, p.ToGray(), parts...)
}

// mask writes a mask whose square in the middle has one value and the rest another.
func mask(t *testing.T, inside, outside uint8, w, h int, parts ...string) {
	t.Helper()
	g := picture.NewGray(w, h)
	for i := range g.Pix {
		x, y := i%w, i/w
		g.Pix[i] = outside
		if x > w/4 && x < 3*w/4 && y > h/4 && y < 3*h/4 {
			g.Pix[i] = inside
		}
	}
	save(t, g, parts...)
}

func save(t *testing.T, g *picture.Gray, parts ...string) {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := picture.WritePNG(path, g); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, name string, o dataset.Options) *dataset.Set {
	t.Helper()
	o.Lenient, o.Labels, o.Sets = true, true, []string{dataset.All}
	set, err := dataset.Open(context.Background(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func report(t *testing.T, set *dataset.Set, o Options) *Report {
	t.Helper()
	o.Workers = 2
	r, err := Run(context.Background(), set, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kinds lists the findings as kind, file's name and whether it is wrong.
func kinds(r *Report) string {
	var list []string
	for _, f := range r.Findings {
		list = append(list, fmt.Sprintf("%s %s %v", f.Kind, filepath.Base(f.File), f.Wrong))
	}
	return strings.Join(list, "; ")
}

func TestEverythingThatIsWrong(t *testing.T) {
	dir := t.TempDir()
	list := "image,mask,label,method,split\n"
	add := func(name, maskName, label, method, split string) {
		list += strings.Join([]string{name, maskName, label, method, split}, ",") + "\n"
	}
	for i := range 8 {
		put(t, uint8(i), dir, fmt.Sprintf("good%d.png", i))
		mask(t, 255, 0, 40, 30, dir, fmt.Sprintf("good%d_m.png", i))
		add(fmt.Sprintf("good%d.png", i), fmt.Sprintf("good%d_m.png", i), "", "splice", "train")
	}
	put(t, 50, dir, "a.png")
	for i, m := range [][2]uint8{{0, 0}, {255, 255}, {1, 0}, {200, 0}} {
		name := []string{"empty", "full", "levels", "soft"}[i]
		mask(t, m[0], m[1], 40, 30, dir, name+".png")
		put(t, uint8(100+i), dir, name+"_p.png")
		add(name+"_p.png", name+".png", "", "splice", "train")
	}
	mask(t, 255, 0, 20, 15, dir, "small.png")
	add("a.png", "small.png", "", "", "train")
	put(t, 51, dir, "b.png")
	add("b.png", "lost.png", "", "", "train")
	put(t, 52, dir, "c.png")
	add("c.png", "good0_m.png", "real", "", "train")
	put(t, 3, dir, "copy.png")
	add("copy.png", "good3_m.png", "", "splice", "test")
	put(t, 4, dir, "again.png")
	add("again.png", "good4_m.png", "", "splice", "train")
	if err := os.WriteFile(filepath.Join(dir, "text.png"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	add("text.png", "good1_m.png", "", "", "test")
	add("b.png", "", "real", "", "train")
	path := filepath.Join(dir, "list.csv")
	if err := os.WriteFile(path, []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	r := report(t, open(t, path, dataset.Options{}), Options{})
	want := "conflict good0_m.png true; duplicate copy.png true; empty mask empty.png true; full mask full.png true; " +
		"missing b.png true; size small.png true; unreadable text.png true; levels levels.png false; repeated again.png false; repeated b.png false; soft mask soft.png false"
	if got := kinds(r); got != want {
		t.Errorf("found\n%s, expected\n%s", got, want)
	}
	if r.Wrong != 7 || r.Pictures != 19 || r.SizeKinds != 1 || r.Sizes[0] != (Dimensions{40, 30, 18}) {
		t.Errorf("%d wrong of %d pictures, sizes %v of %d kinds", r.Wrong, r.Pictures, r.Sizes, r.SizeKinds)
	}
	var groups []string
	for _, g := range r.Groups {
		groups = append(groups, fmt.Sprintf("%s/%s %d=%d+%d+%d", g.Split, g.Method, g.Pictures, g.Manipulated, g.Untouched, g.Unknown))
	}
	if got, want := strings.Join(groups, " "), "train/ 4=1+2+1 train/splice 13=12+1+0 test/ 1=1+0+0 test/splice 1=1+0+0"; got != want {
		t.Errorf("groups %s, expected %s", got, want)
	}
	// Masks of another size are only noted where they are scaled.
	if r := report(t, open(t, path, dataset.Options{ResizeMasks: true}), Options{ResizeMasks: true}); !strings.Contains(kinds(r), "resized small.png false") || r.Wrong != 6 {
		t.Errorf("with scaled masks: %s", kinds(r))
	}
}

func TestPolarity(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		set             string
		inside, outside uint8
	}{{"normal", 255, 0}, {"inverted", 0, 255}, {"mixed", 255, 0}} {
		for i := range 10 {
			name := fmt.Sprintf("%d.png", i)
			if c.set == "mixed" && i%2 == 0 {
				c.inside, c.outside = c.outside, c.inside
			}
			put(t, uint8(10*len(c.set)+i), dir, "fake", c.set, "images", "train", name)
			mask(t, c.inside, c.outside, 40, 30, dir, "fake", c.set, "masks", "train", name)
		}
	}
	guesses := func(o dataset.Options) string {
		r := report(t, open(t, dir, o), Options{})
		var list []string
		for _, g := range r.Polarity {
			list = append(list, fmt.Sprintf("%s %d %s %q", g.Set, g.Masks, g.ReadAs, g.Guess))
			if strings.Contains(g.Advice, "--mask-polarity") != (g.Guess != "" && g.Guess != g.ReadAs) {
				t.Errorf("%s: advice %q", g.Set, g.Advice)
			}
		}
		return strings.Join(list, "; ") + " | " + kinds(r)
	}
	if got, want := guesses(dataset.Options{}), `inverted 10 black "black"; mixed 10 black ""; normal 10 black "white" | polarity masks of normal true`; got != want {
		t.Errorf("read as Dolos: %s, expected %s", got, want)
	}
	if got, want := guesses(dataset.Options{Polarity: dataset.White}), `inverted 10 white "black"; mixed 10 white ""; normal 10 white "white" | polarity masks of inverted true`; got != want {
		t.Errorf("read as white: %s, expected %s", got, want)
	}
	r := report(t, open(t, dir, dataset.Options{}), Options{})
	want := "in 10 of 10 masks black is the smaller part and off most of the border (on average 22 % of the area, 0 % of the border)"
	if got := r.Polarity[0]; got.Reason != want || got.Advice != "black = manipulated, as they are read" {
		t.Errorf("%q, %q; expected %q", got.Reason, got.Advice, want)
	}
}

// The sheet shows the requested number of pictures, and an outline along the mask.
func TestSheet(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		name := fmt.Sprintf("%d.png", i)
		put(t, 100, dir, "images", name)
		mask(t, 255, 0, 40, 30, dir, "masks", name)
	}
	set := open(t, dir, dataset.Options{})
	r := report(t, set, Options{})
	sheet, err := Sheet(context.Background(), set, r, 7)
	if err != nil {
		t.Fatal(err)
	}
	wide, high := gap+columns*(thumb+gap), title+gap+2*(thumb+lines*line+2*gap)
	if sheet.Width != wide || sheet.Height != high {
		t.Fatalf("%d x %d pixels, expected %d x %d", sheet.Width, sheet.Height, wide, high)
	}
	at := func(x, y int) [3]uint8 { return [3]uint8(sheet.Pix[3*(y*sheet.Width+x):][:3]) }
	// The first thumbnail is 192 x 144, in the middle of its square. The mask begins at
	// 11/40 of it.
	middle := title + gap + thumb/2
	if got := at(gap+thumb/4-20, middle); got != [3]uint8{100, 100, 100} {
		t.Errorf("beside the mask: %v", got)
	}
	tinted := [3]uint8{139, 90, 75} // a quarter of the way from 100 to the marker
	if got := at(gap+thumb/2, middle); got != tinted {
		t.Errorf("within the mask: %v, expected %v", got, tinted)
	}
	found := false
	for x := gap + thumb/4; x < gap+thumb/3; x++ {
		found = found || at(x, middle) == [3]uint8{255, 60, 0}
	}
	if !found {
		t.Error("no outline along the mask's left edge")
	}
	if got := at(gap+5*(thumb+gap)+thumb/2, title+gap+(thumb+lines*line+2*gap)+thumb/2); got != [3]uint8{250, 250, 250} {
		t.Errorf("there are more than 7 pictures: %v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Sheet(ctx, set, r, 3); err == nil {
		t.Error("a sheet that was called off")
	}
	if _, err := Run(ctx, set, DefaultOptions()); err == nil {
		t.Error("a check that was called off")
	}
}

func TestChooseSharesTheSheet(t *testing.T) {
	dir := t.TempDir()
	for split, n := range map[string]int{"train": 30, "test": 3} {
		for i := range n {
			put(t, uint8(i), dir, "images", split, fmt.Sprintf("%d.png", i))
			mask(t, 255, 0, 40, 30, dir, "masks", split, fmt.Sprintf("%d.png", i))
		}
	}
	set := open(t, dir, dataset.Options{})
	wrong := map[string]string{set.Item(20).Image: Duplicate}
	chosen := choose(set, wrong, 12)
	splits := map[string]int{}
	for _, i := range chosen {
		splits[set.Item(i).Split]++
	}
	if len(chosen) != 12 || set.Item(chosen[0]).Image != set.Item(20).Image || splits["test"] != 3 {
		t.Errorf("chose %v: %v", chosen, splits)
	}
}

// A picture that makes the check panic is one finding, and the check continues with the others.
func TestPanicIsAFinding(t *testing.T) {
	dir := t.TempDir()
	for i := range 4 {
		name := fmt.Sprintf("%d.png", i)
		put(t, uint8(50*i), dir, "images", name)
		mask(t, 255, 0, 40, 30, dir, "masks", name)
	}
	set := open(t, dir, dataset.Options{})
	var calls atomic.Int32
	restore := parallel.Inject(func(stage string) {
		if stage == "load" && calls.Add(1) == 2 {
			panic("injected fault")
		}
	})
	defer restore()
	r := report(t, set, Options{})
	if len(r.Findings) != 1 || r.Findings[0].Kind != Unreadable || !strings.Contains(r.Findings[0].Detail, "injected fault") {
		t.Errorf("findings %+v, want the one panic", r.Findings)
	}
	if len(r.Groups) != 1 || r.Groups[0].Manipulated != 3 || r.Groups[0].Unknown != 1 {
		t.Errorf("groups %+v, want 3 manipulated pictures and 1 unknown", r.Groups)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	dir := t.TempDir()
	put(t, 1, dir, "images", "a.png")
	mask(t, 255, 0, 40, 30, dir, "masks", "a.png")
	if _, err := Run(context.Background(), open(t, dir, dataset.Options{}), Options{}); err == nil {
		t.Error("no workers were accepted")
	}
}
