package yamlfile

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type set struct {
	Name string `json:"-" yaml:"key"`
	Dir  string `json:"dir"`
	Part *int   `json:"part"`
}

func (s *set) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("no folder")
	}
	s.Dir = string(text)
	return nil
}

type settings struct {
	Study string        `json:"study"`
	Data  []set         `json:"data"`
	List  []string      `json:"list"`
	Sizes []int         `json:"sizes"`
	Time  time.Duration `json:"max_time"`
	Deep  struct {
		Rate float64 `json:"lr"`
		On   bool    `json:"on"`
		Seed uint64  `json:"seed"`
	} `json:"deep"`
	Hidden string `json:"-"`
}

func TestDecode(t *testing.T) {
	const text = `
# a comment
study: 90
data:
  zebra: some/folder
  ant: {dir: "x: y", part: 3}
list: [a, b]
sizes:
  - 1
  - 2
max-time: 1h30m
deep: {lr: 1e-3, on: true, seed: 18446744073709551615}
`
	var got settings
	if err := Decode("s.yaml", []byte(text), &got); err != nil {
		t.Fatal(err)
	}
	three := 3
	want := settings{Study: "90", Data: []set{{"zebra", "some/folder", nil}, {"ant", "x: y", &three}}, List: []string{"a", "b"},
		Sizes: []int{1, 2}, Time: 90 * time.Minute}
	want.Deep.Rate, want.Deep.On, want.Deep.Seed = 1e-3, true, 1<<64-1
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"study: x\nstduy: y":         `s.yaml: line 2: unknown key "stduy" in the file: expected one of study, data, list, sizes, max_time, deep`,
		"deep:\n  on: true\n  of: 1": `s.yaml: line 3: unknown key "of" in deep: expected one of lr, on, seed`,
		"deep:\n  lr: fast":          "s.yaml: line 2: lr: got fast, expected a number",
		"sizes: [1, 2.5]":            "s.yaml: line 1: sizes: got 2.5, expected a whole number",
		"\n\nmax_time: 5":            `s.yaml: line 3: max_time: got "5", expected a time such as 90m`,
		"deep: {on: 1}":              "s.yaml: line 1: on: got 1, expected true or false",
		"deep: {seed: -1}":           "s.yaml: line 1: seed: got -1, expected a whole number of at least 0",
		"study: {a: 1}":              "s.yaml: line 1: study: got a mapping, expected text",
		"data: [a]\nstudy: []":       "s.yaml: line 2: study: got a list, expected text",
		"data:\n  a: ''":             "s.yaml: line 2: a: no folder",
		"data:\n  a:\n    b: 1":      `s.yaml: line 3: unknown key "b" in a: expected one of dir, part`,
		"study: x\nstudy: y":         "line 2:",
		"study: [x":                  "line 1:",
		"a: &x 1":                    `unknown key "a"`,
		"study: &x 1":                "is not supported",
		"study: *x":                  "s.yaml: line 1: study:",
		"hidden: x":                  `unknown key "hidden"`,
		"study: x\n---\nstudy: y":    "s.yaml: 2 documents, expected one",
		"":                           "s.yaml: 0 documents, expected one",
		"just text":                  "s.yaml: line 1: the file: got just text, expected a mapping",
		"study:":                     "s.yaml: line 1: study: got",
	} {
		var got settings
		err := Decode("s.yaml", []byte(text), &got)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("study: x\ndata: {a: b}\ndeep: {lr: 1}")
	f.Add("study: &a [*a]\n<<: {}")
	f.Fuzz(func(t *testing.T, text string) {
		var got settings
		if err := Decode("f", []byte(text), &got); err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}

// list had a flag for each name in earlier versions.
type list struct {
	Names []string `json:"names"`
}

func (l *list) OldFlag(key string) func() {
	if key != "old_name" {
		return nil
	}
	return func() { l.Names = append(l.Names, "old name") }
}

func TestOldFlags(t *testing.T) {
	for text, want := range map[string][]string{
		"in: {names: [a], old-name: true}":  {"a", "old name"},
		"in: {old_name: false, names: [a]}": {"a"},
	} {
		var got struct {
			In list `json:"in"`
		}
		if err := Decode("s.yaml", []byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.In.Names); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", text, diff)
		}
		err := Decode("s.yaml", []byte("in: {other: true}"), &got)
		if err == nil || !strings.Contains(err.Error(), `unknown key "other" in in: expected one of names`) {
			t.Errorf("got error %v", err)
		}
		err = Decode("s.yaml", []byte("in: {old_name: 3}"), &got)
		if err == nil || !strings.Contains(err.Error(), "old_name: got 3, expected true or false") {
			t.Errorf("got error %v", err)
		}
	}
}
