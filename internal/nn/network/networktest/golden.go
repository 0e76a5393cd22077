package networktest

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// Golden is what tools/golden/published.py wrote about a network: how its tensors are made, and
// PyTorch's outputs for some pictures.
type Golden struct {
	Rules []Rule
	Cases []GoldenCase
}

// GoldenCase is the network's outputs for a picture: a file, or levels made by a rule.
type GoldenCase struct {
	File          string
	Height, Width int
	Input         int // the side that the file's picture is scaled to; 0: it is not
	Outputs       map[string]GoldenTensor
}

// GoldenTensor is an output.
type GoldenTensor struct {
	Shape []int
	Data  []float32
}

// UnmarshalJSON reads [shape, little-endian float32 in base64].
func (g *GoldenTensor) UnmarshalJSON(text []byte) error {
	var raw []byte
	if err := json.Unmarshal(text, &[]any{&g.Shape, &raw}); err != nil {
		return err
	}
	g.Data = make([]float32, len(raw)/4)
	_, err := binary.Decode(raw, binary.LittleEndian, g.Data)
	return err
}

// ReadGolden reads a golden file.
func ReadGolden(t testing.TB, path string) (g Golden) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return g
}

// Largest is the largest value of a golden output, and the largest difference of got from it; this
// is NaN if a value is.
func (g GoldenTensor) Largest(got []float32) (value, difference float64) {
	for i, want := range g.Data {
		value = max(value, math.Abs(float64(want)))
		difference = max(difference, math.Abs(float64(got[i]-want)))
	}
	return value, difference
}
