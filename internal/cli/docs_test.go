package cli

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// documented are the command lines of declip in the code blocks of a page, by line number. Lines
// that end in a backslash are joined, comments and other programs left out.
func documented(t *testing.T, page string) map[int][]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	commands := map[int][]string{}
	inside, first, joined := false, 0, ""
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "```") {
			inside = !inside
			continue
		}
		if !inside {
			continue
		}
		if joined == "" {
			first = i + 1
		}
		if start, more := strings.CutSuffix(line, "\\"); more {
			joined += start + " "
			continue
		}
		for _, words := range shellCommands(joined + line) {
			if name := filepath.Base(words[0]); name == "declip" && len(words) > 1 {
				commands[first] = words[1:]
			}
		}
		joined = ""
	}
	return commands
}

// shellCommands splits a line into commands and these into words, as far as the pages need it.
func shellCommands(line string) (commands [][]string) {
	var words []string
	word, quote, begun := "", rune(0), false
	end := func() {
		if begun {
			words = append(words, word)
		}
		word, begun = "", false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == '#' && !begun:
			end()
			return append(commands, nonEmpty(words)...)
		case strings.ContainsRune("|&;<>", r):
			end()
			commands = append(commands, nonEmpty(words)...)
			words = nil
		case r == ' ' || r == '\t':
			end()
		default:
			word, begun = word+string(r), true
		}
	}
	end()
	return append(commands, nonEmpty(words)...)
}

func nonEmpty(words []string) [][]string {
	if len(words) == 0 {
		return nil
	}
	return [][]string{words}
}

// Every command of the README and of the pages exists, with its flags and the number of its
// arguments.
func TestDocumentedCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, page := range append(pages, "../../README.md") {
		for line, words := range documented(t, page) {
			count++
			root := (&app{stdout: io.Discard, stderr: io.Discard}).newRoot()
			cmd, args, err := root.Find(words)
			if err == nil {
				err = cmd.ParseFlags(args)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s:%d: declip %s: %v", filepath.Base(page), line, strings.Join(words, " "), err)
			}
		}
	}
	if count < 50 {
		t.Errorf("only %d commands were found", count)
	}
}

// goAround is a program around the Go examples of pages, with what they take from their readers.
const goAround = `package main

import (
	"context"
	"fmt"
	"image"

	"github.com/declip/declip"
	"github.com/declip/declip/evaluation"
)

func main() {}

var (
	ctx      = context.Background()
	files    []string
	predict  func(string) declip.Map
	readMask func(string) image.Image
	_        evaluation.Options
)

func _() { fmt.Println() }
`

// Every Go example of the README and of the pages compiles.
func TestDocumentedGoCompiles(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	text, count := goAround, 0
	for _, page := range append(pages, "../../README.md") {
		blocks := strings.Split(readText(t, page), "\n```go\n")
		for _, block := range blocks[1:] {
			code, _, _ := strings.Cut(block, "\n```")
			text += "\n// " + filepath.Base(page) + "\nfunc _() error {\n" + code + "\nreturn nil\n}\n"
			count++
		}
	}
	if count < 3 {
		t.Fatalf("only %d examples were found", count)
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("the examples of the pages: %v\n%s", err, out)
	}
}
