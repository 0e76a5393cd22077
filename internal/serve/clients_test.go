package serve

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// called is what the clients in testdata print: each operation, by its own types.
const called = `localize 32 24 png 1
mask [24 32] true
batch a.png 32 bad_picture
models fake true 16
maps 200 true
status ok ready
refused 415 bad_picture
`

// workshop is a copy of a directory of testdata/clients with openapi.yaml in it. run runs a program
// there and gives what it prints.
func workshop(t *testing.T, name string) (dir string, run func(program string, args ...string) string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients", name))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "openapi.yaml"), openAPI, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "picture.png"), picturePNG(t, 32, 24), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, func(program string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s\n(is what make setup installs missing?)", program, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
}

// The client that oapi-codegen generates for Go calls every operation.
func TestGeneratedGoClient(t *testing.T) {
	s := start(t, testConfig())
	dir, run := workshop(t, "go")
	if err := os.Mkdir(filepath.Join(dir, "api"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out := run("go", "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "openapi.yaml"); out != "" {
		t.Errorf("oapi-codegen says %s", out)
	}
	if got := run("go", "run", ".", s.url, "picture.png"); got != called {
		t.Errorf("the client printed\n%s\nexpected\n%s", got, called)
	}
}

// The description has no problems by Redocly's rules, and the types that openapi-typescript
// generates are those of the responses.
func TestGeneratedTypeScriptClient(t *testing.T) {
	s := start(t, testConfig())
	dir, run := workshop(t, "typescript")
	modules, err := filepath.Abs(filepath.Join("..", "..", ".cache", "webtools", "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	run("node", "lint.mjs", "openapi.yaml")
	run("node", "node_modules/openapi-typescript/bin/cli.js", "openapi.yaml", "--output", "api.d.ts")
	run("node", "node_modules/typescript/bin/tsc", "--project", "tsconfig.json")
	want := strings.ReplaceAll(called, "mask [24 32]", "mask [ 24, 32 ]")
	if got := run("node", "main.js", s.url, "picture.png"); got != want {
		t.Errorf("the client printed\n%s\nexpected\n%s", got, want)
	}
}
