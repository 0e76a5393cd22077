package forge

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/declip/declip/internal/picture"
)

// spread is the standard deviation of the luma, in levels.
func spread(p *picture.RGB) float64 {
	g := p.ToGray()
	sum, squares := 0.0, 0.0
	for _, v := range g.Pix {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(g.Pix))
	return math.Sqrt(squares/n - sum*sum/n/n)
}

// fine is the mean difference of neighbours in a row, in levels of luma.
func fine(p *picture.RGB, x0, y0, x1, y1 int) float64 {
	g, sum := p.ToGray(), 0.0
	for y := y0; y < y1; y++ {
		for x := x0; x+1 < x1; x++ {
			sum += math.Abs(float64(g.Pix[y*g.Width+x]) - float64(g.Pix[y*g.Width+x+1]))
		}
	}
	return sum / float64((y1-y0)*(x1-x0))
}

func TestKindsAreMade(t *testing.T) {
	photo := texture(320, 240, 1)
	for _, kind := range Kinds() {
		for seed := range uint64(2) {
			p, _, err := newDice(3, seed).untouched(kind, photo)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			again, _, err := newDice(3, seed).untouched(kind, photo)
			if err != nil || string(again.Pix) != string(p.Pix) {
				t.Errorf("%s: another picture with the same draws (%v)", kind, err)
			}
			if p.Width < 100 || p.Height < 60 || spread(p) < 5 {
				t.Errorf("%s: %d x %d pixels, spread %.1f", kind, p.Width, p.Height, spread(p))
			}
		}
	}
}

func TestKindsOfSmallAndNarrowPhotographs(t *testing.T) {
	for _, size := range [][2]int{{16, 16}, {400, 20}, {20, 400}} {
		photo := texture(size[0], size[1], 2)
		for _, kind := range Kinds() {
			for seed := range uint64(1) {
				if _, _, err := newDice(4, seed).untouched(kind, photo); err != nil {
					t.Errorf("%v, %s: %v", size, kind, err)
				}
			}
		}
	}
}

// In a portrait one part keeps its detail and the rest loses most of it.
func TestPortraitBlursTheRest(t *testing.T) {
	p, err := newDice(1, 1).portrait(texture(400, 400, 3))
	if err != nil {
		t.Fatal(err)
	}
	most, least := 0.0, math.Inf(1)
	for y := 0; y+40 <= p.Height; y += 40 {
		for x := 0; x+40 <= p.Width; x += 40 {
			v := fine(p, x, y, x+40, y+40)
			most, least = max(most, v), min(least, v)
		}
	}
	if most < 3*least {
		t.Errorf("neighbours differ by %.2f levels where the picture is sharp and by %.2f where it is blurred", most, least)
	}
}

// High range keeps the mean light approximately and brings dark and light halves together.
func TestHighRangeBringsHalvesTogether(t *testing.T) {
	photo := texture(256, 256, 4)
	for i := range photo.Pix {
		if (i/3)%photo.Width < photo.Width/2 {
			photo.Pix[i] /= 6
		}
	}
	difference := func(p *picture.RGB) float64 {
		g, sides := p.ToGray(), [2]float64{}
		for i, v := range g.Pix {
			sides[min(2*(i%g.Width)/g.Width, 1)] += float64(v) / float64(len(g.Pix)) * 2
		}
		return sides[1] - sides[0]
	}
	if before, after := difference(photo), difference(newDice(1, 2).highRange(photo)); after > 0.8*before || after < 0 {
		t.Errorf("the halves differ by %.0f levels, by %.0f before", after, before)
	}
}

func TestVaryNamesKinds(t *testing.T) {
	photos := photoFolder(t, 3)
	c := VaryConfig{Photos: photos, Formats: usualFormats(), Out: filepath.Join(t.TempDir(), "out"), Copies: 4, Seed: 5, Kinds: []string{KindMeme, KindScan}}
	if _, err := Vary(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for name := range contents(t, c.Out) {
		for _, kind := range Kinds() {
			if strings.Contains(name, "_"+kind+"_") {
				counts[kind]++
			}
		}
	}
	if counts[KindMeme] == 0 || counts[KindScan] == 0 || counts[KindMeme]+counts[KindScan] != 12 {
		t.Errorf("made %v, expected 12 memes and scans", counts)
	}
	c.Kinds = []string{"poem"}
	if _, err := Vary(t.Context(), c); err == nil || !strings.Contains(err.Error(), `"poem"`) {
		t.Errorf("error %v, expected one that names the unknown kind", err)
	}
}
