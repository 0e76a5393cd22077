package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// TestInstalledProgramFindsEngine installs the program once, without the paths of the checkout in
// it, and runs it where its users have it: each time with another home and an environment that does
// not name the library. TestRecipe does the same with a release archive.
func TestInstalledProgramFindsEngine(t *testing.T) {
	root := enginetest.ModuleRoot(t)
	found, err := engine.Open(engine.Options{Library: enginetest.Library(t), Device: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	library := found.Info().Library
	bin := t.TempDir()
	install := exec.Command("go", "install", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X github.com/declip/declip/internal/cli.Version=v0.0.1-test", "./cmd/declip")
	install.Dir, install.Env = root, append(os.Environ(), "GOBIN="+bin, "CGO_ENABLED=1")
	if text, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install: %v\n%s", err, text)
	}
	program := filepath.Join(bin, "declip")
	if text := read(t, program); bytes.Contains(text, []byte(root+"/")) {
		t.Errorf("the program contains the path of the checkout, %s", root)
	}
	picture := filepath.Join(root, "testdata", "sample", "forged.jpg")

	t.Run("go install", func(t *testing.T) {
		home := t.TempDir() // with what "declip doctor --install" puts into it
		copyFile(t, library, filepath.Join(home, ".cache", "declip", "onnxruntime", filepath.Base(library)))
		run := runner(t, exec.Cmd{Path: program, Dir: home, Env: []string{"HOME=" + home}})
		works(t, run, "user cache", filepath.Join(home, ".cache"), picture)
	})
	t.Run("checkout", func(t *testing.T) {
		checkout, home := t.TempDir(), t.TempDir()
		copyFile(t, filepath.Join(root, "go.mod"), filepath.Join(checkout, "go.mod"))
		copyFile(t, library, filepath.Join(checkout, ".cache", "onnxruntime", filepath.Base(library)))
		copyFile(t, program, filepath.Join(checkout, "bin", "declip"))
		run := runner(t, exec.Cmd{Path: filepath.Join(checkout, "bin", "declip"), Dir: home, Env: []string{"HOME=" + home}})
		works(t, run, "project cache", filepath.Join(checkout, ".cache"), picture)
	})
	t.Run("package", func(t *testing.T) { // as packages of distributions lay files out
		prefix, home := t.TempDir(), t.TempDir()
		copyFile(t, library, filepath.Join(prefix, "lib", "declip", filepath.Base(library)))
		copyFile(t, program, filepath.Join(prefix, "bin", "declip"))
		run := runner(t, exec.Cmd{Path: filepath.Join(prefix, "bin", "declip"), Dir: home, Env: []string{"HOME=" + home}})
		works(t, run, "the program's lib/declip", filepath.Join(prefix, "lib"), picture)
	})
	if runtime.GOOS == "linux" {
		t.Run("container", func(t *testing.T) { testContainer(t, root, program, library, picture) })
	}
}

// copied matches the lines of the Dockerfile that put a stage's file into the image.
var copied = regexp.MustCompile(`(?m)^COPY --from=(\w+) \S+ (\S+)$`)

// set matches the line of the Dockerfile that sets the image's environment.
var set = regexp.MustCompile(`(?m)^ENV (.*)$`)

// testContainer makes the tree of files of the Dockerfile's image and runs the program in it, which
// needs no Docker. Only root may change the root directory: for others the tree is checked alone.
func testContainer(t *testing.T, root, program, library, picture string) {
	recipe := string(read(t, filepath.Join(root, "Dockerfile")))
	tree := t.TempDir()
	places := map[string]string{}
	for _, m := range copied.FindAllStringSubmatch(recipe, -1) {
		places[m[1]] = m[2]
		copyFile(t, map[string]string{"build": program, "onnxruntime": library}[m[1]], filepath.Join(tree, m[2]))
	}
	environment := set.FindStringSubmatch(recipe)
	if len(places) != 2 || places["build"] != "/usr/local/bin/declip" || environment == nil {
		t.Fatalf("the Dockerfile copies %v and sets %q: expected the program, the library and HOME", places, environment)
	}
	if dir := filepath.Dir(places["onnxruntime"]); dir != "/usr/local/lib" {
		t.Errorf("the library is in %s, which is not searched", dir)
	}
	for _, file := range append(sharedLibraries(t, program), sharedLibraries(t, library)...) {
		copyFile(t, file, filepath.Join(tree, file))
	}
	copyFile(t, picture, filepath.Join(tree, "work", "forged.jpg"))
	if os.Geteuid() != 0 {
		t.Log("not root: the program was not run in the tree")
		return
	}
	if err := open(tree, filepath.Join(tree, "work")); err != nil {
		t.Fatal(err)
	}
	run := runner(t, exec.Cmd{Path: places["build"], Dir: "/work", Env: strings.Fields(environment[1]), SysProcAttr: inTree(tree)})
	works(t, run, "system", "/usr/local/lib", "forged.jpg")
}

// open lets the unprivileged user of the image read the tree and write to work.
func open(tree, work string) error {
	for dir := tree; len(dir) > 1 && dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return os.Chown(work, imageUser, imageUser)
}

// sharedLibraries are the files that the loader needs for a program or a library.
func sharedLibraries(t *testing.T, file string) (list []string) {
	t.Helper()
	text, err := exec.Command("ldd", file).Output()
	if err != nil {
		t.Fatalf("ldd %s: %v", file, err)
	}
	for _, word := range strings.Fields(string(text)) {
		if strings.HasPrefix(word, "/") && !strings.HasSuffix(word, ":") {
			list = append(list, word)
		}
	}
	return list
}

// runner runs a program with arguments, and gives its output.
func runner(t *testing.T, like exec.Cmd) func(args ...string) string {
	return func(args ...string) string {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.Cmd{Path: like.Path, Args: append([]string{"declip"}, args...), Dir: like.Dir, Env: like.Env, SysProcAttr: like.SysProcAttr, Stderr: &stderr}
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("declip %v: %v\n%s%s", args, err, text, &stderr)
		}
		return string(text)
	}
}

// works checks where a program finds its library, and that it localizes a picture.
func works(t *testing.T, run func(args ...string) string, source, place, picture string) {
	t.Helper()
	if text := run("version"); !strings.Contains(text, "v0.0.1-test") {
		t.Errorf("version: got %q", text)
	}
	if resolved, err := filepath.EvalSymlinks(place); err == nil {
		place = resolved
	}
	if text := run("doctor"); !strings.Contains(text, place+"/") || !strings.Contains(text, source) {
		t.Errorf("the library is not that in %s (%s):\n%s", place, source, text)
	}
	if text := run("localize", "-o", "maps", picture); !strings.Contains(text, "forged.mask.png") {
		t.Errorf("localize: got %q", text)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// copyFile copies a file and its permissions, and makes its directory.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	source, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(target, source); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
}
