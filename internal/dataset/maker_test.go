package dataset

import (
	"math"
	"slices"
	"testing"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// tell makes a picture whose red is the mask and whose green and blue are the coordinates in blocks
// of 8.
func tell(w, h int, inside func(x, y int) bool) Sample {
	p, m := picture.NewRGB(w, h), picture.NewGray(w, h)
	for y := range h {
		for x := range w {
			i := y*w + x
			if inside(x, y) {
				m.Pix[i] = 255
			}
			p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2] = m.Pix[i], uint8(x/8), uint8(y/8)
		}
	}
	return Sample{Picture: picture.New(p), Mask: m, Name: "tell"}
}

// clip is what the networks are trained with.
var clip = picture.Normalization{Mean: network.Mean, Std: network.Std}

var plain = picture.Normalization{Std: [3]float32{1, 1, 1}}

func make1(t *testing.T, m Maker, s Sample, seed uint64) (image, target []float32) {
	t.Helper()
	shape := m.Shape()
	image, target = make([]float32, shape.image()), make([]float32, shape.target())
	if err := m.Make(s, []Draw{{Random: random(seed), Image: image, Target: target}}); err != nil {
		t.Fatal(err)
	}
	return image, target
}

// The red channel is the mask, so its box average must be the target in every turn. On
// each 8x8 block of the crop green and blue must be constant: the grid keeps its phase.
func TestCropKeepsGridAndMask(t *testing.T) {
	s := tell(200, 136, func(x, y int) bool { return (x-90)*(x-90)+(y-60)*(y-60) < 900 })
	m := Crop{Size: 64, Stride: 4, Inside: 1, Turn: true, Normalization: plain}
	for seed := range uint64(64) {
		image, target := make1(t, m, s, seed)
		sum := float32(0)
		for y := range 16 {
			for x := range 16 {
				mean := float32(0)
				for i := range 16 {
					mean += image[(4*y+i/4)*64+4*x+i%4] / 16
				}
				if got := target[y*16+x]; math.Abs(float64(got-mean)) > 1e-5 { // float32 sums of 16 values
					t.Fatalf("seed %d: target (%d,%d) is %g, the mask's mean there %g", seed, x, y, got, mean)
				}
				sum += mean
			}
		}
		if sum == 0 {
			t.Errorf("seed %d: no manipulated pixel in the crop, though all crops were to hold one", seed)
		}
		for _, plane := range [][]float32{image[64*64 : 2*64*64], image[2*64*64:]} {
			for i, v := range plane {
				if x, y := i%64/8*8, i/64/8*8; v != plane[y*64+x] {
					t.Fatalf("seed %d: pixel (%d,%d) has another block than its block's corner", seed, i%64, i/64)
				}
			}
		}
	}
}

func TestCropCoversPicture(t *testing.T) {
	s := tell(80, 72, func(x, y int) bool { return x == 79 && y == 0 })
	corners := map[[2]float32]int{}
	for seed := range uint64(400) {
		image, _ := make1(t, Crop{Size: 64, Stride: 64, Normalization: plain}, s, seed)
		corners[[2]float32{image[64*64], image[2*64*64]}]++
	}
	if len(corners) != 6 { // x in 0, 8, 16; y in 0, 8
		t.Errorf("got %d different crops, want 6: %v", len(corners), corners)
	}
	for _, n := range corners {
		if n < 30 { // 400/6 = 67 expected; 30 is five standard deviations below
			t.Errorf("crops are drawn unevenly: %v", corners)
		}
	}
}

func TestCropOfSmallPictureIsMirrored(t *testing.T) {
	s := tell(40, 24, func(x, y int) bool { return x >= 32 })
	image, target := make1(t, Crop{Size: 64, Stride: 8, Inside: 1, Normalization: plain}, s, 1)
	// Column 47 mirrors column 32.
	if got, want := image[64*64 : 64*64+64 : 64*64+64][47], image[64*64+32]; got != want {
		t.Errorf("column 47 shows block %g, want that of column 32, %g", got*255, want*255)
	}
	for x, want := range []float32{0, 0, 0, 0, 1, 1, 0, 0} {
		if target[x] != want {
			t.Errorf("target %d is %g, want %g", x, target[x], want)
		}
	}
}

func TestEightTurnsDiffer(t *testing.T) {
	p := picture.NewGray(3, 3)
	for i := range p.Pix {
		p.Pix[i] = uint8(i)
	}
	seen := map[string]bool{}
	for turn := range 8 {
		out := turnGray(p, turn)
		seen[string(out.Pix)] = true
		sorted := slices.Sorted(slices.Values(out.Pix))
		if !slices.Equal(sorted, p.Pix) {
			t.Errorf("turn %d lost pixels: %v", turn, out.Pix)
		}
	}
	if len(seen) != 8 {
		t.Errorf("got %d different turns, want 8", len(seen))
	}
}

func TestCropRefuses(t *testing.T) {
	for _, m := range []Crop{{Size: 60, Stride: 4}, {Size: 64, Stride: 5}, {Size: 64}, {Size: 64, Stride: 4, Inside: 2}} {
		if m.Validate() == nil {
			t.Errorf("%+v was accepted", m)
		}
	}
}

func TestResizeIsPillows(t *testing.T) {
	s := tell(50, 31, func(x, y int) bool { return x > y })
	m := Resize{Size: 32, Target: 40, Normalization: clip}
	image, target := make1(t, m, s, 0)
	small, mask := picture.Resize(s.Picture.RGB, 32, 32), picture.ResizeGray(s.Mask, 40, 40)
	for i := range 32 * 32 {
		for c := range 3 {
			want := (float64(small.Pix[3*i+c])/255 - float64(clip.Mean[c])) / float64(clip.Std[c])
			if got := image[c*32*32+i]; math.Abs(float64(got)-want) > 1e-6 { // float32 against float64
				t.Fatalf("pixel %d channel %d: got %g, want %g", i, c, got, want)
			}
		}
	}
	for i, v := range mask.Pix {
		if math.Abs(float64(target[i])-float64(v)/255) > 1e-6 {
			t.Fatalf("target %d: got %g, want %d/255", i, target[i], v)
		}
	}
}

func TestAugment(t *testing.T) {
	p := picture.New(picture.NewRGB(64, 64))
	for i := range p.Pix {
		p.Pix[i] = uint8(i * 7)
	}
	before := p.Clone()
	for name, augment := range map[string]Augment{
		"tone": Tone(1, 0.3), "jpeg": Recompress(1, 60, 70), "noise": Noise(1, 5),
	} {
		a, err := augment(random(3), p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := augment(random(3), p)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.Pix, before.Pix) {
			t.Fatalf("%s changed its input", name)
		}
		if !slices.Equal(a.Pix, b.Pix) {
			t.Errorf("%s differs for the same seed", name)
		}
		if slices.Equal(a.Pix, p.Pix) {
			t.Errorf("%s with a share of 1 changed nothing", name)
		}
	}
	for _, augment := range []Augment{Tone(0, 0.3), Recompress(0, 60, 70), Noise(0, 5)} {
		if same, err := augment(random(3), p); err != nil || same != p {
			t.Errorf("an augmentation with a share of 0 changed the picture (%v)", err)
		}
	}
}
