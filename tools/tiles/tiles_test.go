package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

// A photograph is continued by its mirror images, and its own pixels stay where they were.
func TestMirrored(t *testing.T) {
	p := picture.NewRGB(3, 2)
	for i := range p.Pix {
		p.Pix[i] = uint8(i)
	}
	out := mirrored(p, 8, 5)
	for y, row := range []int{0, 1, 1, 0, 0} {
		for x, column := range []int{0, 1, 2, 2, 1, 0, 0, 1} {
			if got, want := out.Pix[3*(y*8+x)], uint8(3*(row*3+column)); got != want {
				t.Errorf("pixel %d,%d is %d, expected %d", x, y, got, want)
			}
		}
	}
}

// The backbone is recognised, and its filters see little of a picture's mean.
func TestBackbone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backbone.safetensors")
	if err := writeBackbone(path); err != nil {
		t.Fatal(err)
	}
	file, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	list, err := network.BackbonesIn([]*weights.File{file})
	if err != nil || len(list) != 1 || list[0].Arch() != "dinov3-128x4/16-reg4" {
		t.Fatalf("%v, %v", list, err)
	}
	values, sum, square := filters(), 0., 0.
	for _, v := range values[:patch*patch] {
		sum += float64(v)
		square += float64(v) * float64(v)
	}
	if math.Abs(sum) > 1e-5 || square == 0 {
		t.Errorf("a filter's values add up to %g, their squares to %g", sum, square)
	}
}

// A result without the scores, or without results, is an error.
func TestTable(t *testing.T) {
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var out bytes.Buffer
	good := write("tiles 512,128.json", `{"manipulated": 60, "ap": 0.5, "auc": 0.9, "f1_best": 0.6, "intervals": {"ap": [0.4, 0.6]}}`)
	if err := printTable(&out, []string{good}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| tiles 512,128 | 0.500 (0.400 to 0.600) | 0.600 | 0.900 |\n") {
		t.Errorf("got\n%s", out.String())
	}
	if err := printTable(&out, []string{write("x.json", `{"ap": null}`)}); err == nil {
		t.Error("a result without an AP is accepted")
	}
}
