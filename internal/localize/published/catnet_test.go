package published

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/engine/enginetest"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/picture"
)

// The maps of PyTorch for picture files, read by Pillow and another reader of coefficients: see
// tools/golden/catnet.py.
func TestCATNet(t *testing.T) {
	var golden struct {
		Sizes networktest.CATNet
		Cases []struct {
			Picture string
			Pixels  bool
			Map     []byte // of every fifth row and column
		}
	}
	text, err := os.ReadFile("testdata/catnet.json")
	if err == nil {
		err = json.Unmarshal(text, &golden)
	}
	if err != nil {
		t.Fatal(err)
	}
	e := enginetest.Open(t)
	for _, c := range golden.Cases {
		t.Run(fmt.Sprintf("%s, pixels %v", c.Picture, c.Pixels), func(t *testing.T) {
			m, err := network.OpenPretrained(networktest.Store(t, networktest.Tensors(golden.Sizes.Rules(c.Pixels)), nil), network.Override{})
			if err != nil {
				t.Fatal(err)
			}
			p, err := picture.Open(filepath.Join("testdata", c.Picture), picture.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			a := answer(t, e, m, p)
			want := make([]float32, len(c.Map)/4)
			if _, err := binary.Decode(c.Map, binary.LittleEndian, want); err != nil {
				t.Fatal(err)
			}
			const step = 5
			i := 0
			for y := 0; y < p.Height; y += step {
				for x := 0; x < p.Width; x += step {
					if d := math.Abs(float64(a.Prob[y*p.Width+x] - want[i])); !(d <= 1e-5) {
						t.Fatalf("probability at %d, %d is off by %g", x, y, d)
					}
					i++
				}
			}
			if i != len(want) {
				t.Errorf("%d probabilities, expected %d", i, len(want))
			}
		})
	}
}

// answer takes a picture through a network.
func answer(t *testing.T, e *engine.Engine, m *network.Pretrained, p *picture.Picture) *Answer {
	t.Helper()
	n, err := For(m.Spec())
	if err != nil {
		t.Fatal(err)
	}
	in, err := n.Input(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	program, err := m.ProgramIn(network.Form{Winograd: e.Winograd()}, in.Height, in.Width)
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Load(program.ONNX, engine.SessionOptions{ExternalFolder: program.Folder})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	outputs, err := s.Run(t.Context(), in.Tensors, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := n.Answer(t.Context(), outputs, p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
