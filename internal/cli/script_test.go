package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/nn/weights/npy"
	"github.com/declip/declip/internal/picture"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"declip": func() {
		injectFault(os.Getenv(faultVariable))
		showAllProgress()
		os.Exit(Main())
	}})
}

// TestScripts runs testdata/*.txt: terminal sessions with what they must print
// and leave behind. Pictures and models are made by the commands below.
func TestScripts(t *testing.T) {
	p := scriptParams(t)
	p.Dir = "testdata"
	testscript.Run(t, p)
}

// scriptParams has what all scripts need.
func scriptParams(t *testing.T) testscript.Params {
	t.Helper()
	library := enginetest.Library(t)
	formats, err := filepath.Abs(filepath.Join("..", "nn", "weights", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := filepath.Abs(filepath.Join("testdata", "before"))
	if err != nil {
		t.Fatal(err)
	}
	return testscript.Params{
		Setup: func(e *testscript.Env) error {
			e.Setenv("DECLIP_ORT_LIB", library)
			e.Setenv("DECLIP_MODELS", filepath.Join(e.WorkDir, "models"))
			e.Setenv("WEIGHTS", formats)
			e.Setenv("BEFORE", before)
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache-home"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":        scriptExits,
			"picture":      scriptPicture,
			"mask":         scriptMask,
			"huge":         scriptHuge,
			"truncate":     scriptTruncate,
			"model":        scriptModel,
			"published":    scriptPublished,
			"size":         scriptSize,
			"levels":       scriptLevels,
			"npy":          scriptNPY,
			"serve":        scriptServe,
			"await":        scriptAwait,
			"rename":       scriptRename,
			"prefix":       scriptPrefix,
			"shard":        scriptShard,
			"flip":         scriptFlip,
			"network":      scriptNetwork,
			"dino":         scriptDINO,
			"mean":         scriptMean,
			"tensors":      scriptTensors,
			"array":        scriptArray,
			"fault":        scriptFault,
			"closetensors": scriptCloseTensors,
			"near":         scriptNear,
		},
		Condition: func(name string) (bool, error) {
			if name == "root" { // may write anywhere
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	}
}

// scriptExits runs a program that must end with the given code:
// exits CODE PROGRAM ARGS...
func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	want, code := number(ts, args, 0), 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code is %d, expected %d", code, want)
	}
}

// scriptPicture writes a picture in the format that its name says:
// picture FILE WIDTH HEIGHT [EXIF-ORIENTATION].
func scriptPicture(ts *testscript.TestScript, _ bool, args []string) {
	data, err := encodePicture(filepath.Ext(args[0]), scene(number(ts, args, 1), number(ts, args, 2)))
	ts.Check(err)
	if len(args) > 3 {
		data = withOrientation(data, byte(number(ts, args, 3)))
	}
	write(ts, args[0], data)
}

// scriptMask writes a mask that fits scriptPicture, or one of another kind: an empty one, one of
// the values 0 and 1 or of 0, 1 and 2, or one in which 0 marks:
// mask FILE WIDTH HEIGHT [empty|ones|labels|inverted].
func scriptMask(ts *testscript.TestScript, _ bool, args []string) {
	kind := append(slices.Clone(args), "")[3]
	inside, outside := map[string]uint8{"": 255, "ones": 1, "labels": 2}[kind], map[string]uint8{"inverted": 255}[kind]
	g := picture.NewGray(number(ts, args, 1), number(ts, args, 2))
	for i := range g.Pix {
		g.Pix[i] = outside
		if inSquare(i%g.Width, i/g.Width, g.Width, g.Height) {
			g.Pix[i] = inside
		}
	}
	if kind == "labels" {
		g.Pix[0] = 1
	}
	data, err := encodePicture(".png", g)
	ts.Check(err)
	write(ts, args[0], data)
}

// scriptHuge writes a PNG of a few bytes whose header claims a size:
// huge FILE WIDTH HEIGHT.
func scriptHuge(ts *testscript.TestScript, _ bool, args []string) {
	write(ts, args[0], pngHeader(uint32(number(ts, args, 1)), uint32(number(ts, args, 2))))
}

// scriptTruncate cuts a file to a share of its length: truncate FILE PERCENT.
func scriptTruncate(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()*int64(number(ts, args, 1))/100))
}

// scriptModel writes a small network with random weights: model FILE tiles|resize.
func scriptModel(ts *testscript.TestScript, _ bool, args []string) {
	spec := network.Spec{Arch: network.ArchLite, Widths: []int{4, 4, 8, 8}, TileOptions: network.TileOptions{Tile: 128, Overlap: 32}, LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}}}
	if args[1] == "resize" {
		spec = network.Spec{Arch: network.ArchXception, Decoder: "linear"}
	}
	net, err := network.New(spec, 3)
	ts.Check(err)
	var tensors []weights.Tensor
	for _, p := range net.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(weights.Write(path, tensors, map[string]string{network.SpecKey: net.SpecJSON()}))
}

// scriptSize checks the size of a picture: size FILE WIDTH HEIGHT.
func scriptSize(ts *testscript.TestScript, _ bool, args []string) {
	d, err := picture.Open(ts.MkAbs(args[0]), picture.Limits{})
	ts.Check(err)
	if w, h := number(ts, args, 1), number(ts, args, 2); d.Width != w || d.Height != h {
		ts.Fatalf("%s is %d x %d, expected %d x %d", args[0], d.Width, d.Height, w, h)
	}
}

// scriptLevels checks that a grey picture holds no other levels: levels FILE LEVEL...
func scriptLevels(ts *testscript.TestScript, _ bool, args []string) {
	g, err := picture.OpenGray(ts.MkAbs(args[0]), picture.Limits{})
	ts.Check(err)
	allowed := [256]bool{}
	for i := range args[1:] {
		allowed[number(ts, args, i+1)] = true
	}
	for _, v := range g.Pix {
		if !allowed[v] {
			ts.Fatalf("%s holds level %d, expected only %v", args[0], v, args[1:])
		}
	}
}

// scriptNPY checks an array of probabilities: npy FILE HEIGHT WIDTH.
func scriptNPY(ts *testscript.TestScript, _ bool, args []string) {
	shape, data, err := npy.Read(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(shape) != 2 || shape[0] != number(ts, args, 1) || shape[1] != number(ts, args, 2) {
		ts.Fatalf("%s has shape %v, expected %v", args[0], shape, args[1:])
	}
	for _, p := range data {
		if !(p >= 0 && p <= 1) {
			ts.Fatalf("%s holds %g, expected probabilities", args[0], p)
		}
	}
}

func number(ts *testscript.TestScript, args []string, i int) int {
	if i >= len(args) {
		ts.Fatalf("%d arguments, expected more than %d", len(args), i)
	}
	n, err := strconv.Atoi(args[i])
	ts.Check(err)
	return n
}

func write(ts *testscript.TestScript, name string, data []byte) {
	path := ts.MkAbs(name)
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, data, 0o644))
}

// scriptRename replaces a text by another of the same length wherever it is in a file: rename FILE
// FROM TO.
func scriptRename(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(args[1]) != len(args[2]) || !bytes.Contains(data, []byte(args[1])) {
		ts.Fatalf("%s does not hold %q, or %q is not as long", args[0], args[1], args[2])
	}
	write(ts, args[0], bytes.ReplaceAll(data, []byte(args[1]), []byte(args[2])))
}

// scriptFlip changes one byte of a file: flip FILE OFFSET, from its end if the
// offset is negative.
func scriptFlip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	at := number(ts, args, 1)
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 1
	ts.Check(os.WriteFile(path, data, 0o644))
}
