package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// made is a study with made-up results of n pictures a test set: in-domain scores are about 65,
// others about 30, lower for later variants and for stronger treatments.
func made(t testing.TB, kind string, n int) *Results {
	t.Helper()
	r := &Results{Kind: kind, Title: "Four ways to paint over", Variants: []string{"xceptionnet linear"},
		Train: []string{"diffusion", "exemplar", "latent", "splice"}, Treatments: []Treatment{{}}, Threshold: 0.5, Bootstrap: 50, Seed: 1,
		Time:     time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC),
		Options:  []Option{{"epochs", "20"}, {"batch size", "16"}, {"learning rate", "0.001"}, {"seed", "1"}},
		Versions: []Option{{"declip", "1.0"}, {"ONNX Runtime", "1.30.0 on cpu, 2 threads"}}}
	r.Test = append([]string{}, r.Train...)
	switch kind {
	case Layers:
		r.Variants = nil
		for i := range 24 {
			r.Variants = append(r.Variants, fmt.Sprint("layer", i))
		}
	case Decoders:
		r.Variants = []string{"linear", "attention", "conv-4", "conv-12", "conv-20"}
	case Backbones:
		r.Variants = []string{"ViT-L/14 layer20", "RN50 layer3", "ViT-L/14,RN50 layer20,layer3", "xceptionnet"}
	case Robustness:
		for _, text := range [][2]string{{"jpeg", "90"}, {"jpeg", "75"}, {"jpeg", "50"}, {"blur", "0.5"}, {"blur", "1"}, {"blur", "2"}} {
			r.Treatments = append(r.Treatments, Treatment{text[0], text[1]})
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i, v := range r.Variants {
		for _, train := range r.Train {
			r.Runs = append(r.Runs, Run{Variant: v, Train: train, Model: "xceptionnet linear", Folder: "runs/" + train, Parameters: 76321, Epochs: 20, BestEpoch: 17, Seconds: 312})
			for _, test := range r.Test {
				for j, treatment := range r.Treatments {
					r.Cells = append(r.Cells, Cell{Variant: v, Train: train, Test: test, Treatment: treatment,
						Scores: madeScores(random, n, train == test, 0.03*float64((i-8)*(i-8))/4+0.08*float64(j%4))})
				}
			}
		}
	}
	for i, name := range r.Test {
		r.Data = append(r.Data, Data{Name: name, Folder: "forged/" + name, Trained: 400, Valid: 50, Tested: n, Print: fmt.Sprintf("%08x", i)})
	}
	return r
}

func madeScores(random *rand.Rand, n int, same bool, less float64) (list []Score) {
	level := 0.3
	if same {
		level = 0.65
	}
	for i := range n {
		v := math.Min(math.Max(level-less*level+0.15*random.NormFloat64(), 0), 1)
		s := Score{Name: fmt.Sprintf("%04d.jpg", i), Manipulated: i%5 != 4, IoU: 100 * v, F1: v, F1Best: math.Min(v+0.1, 1), AP: v, AUC: 0.5 + v/2, Mean: v / 3,
			F1Plain: 0.9 * v, BalancedAccuracy: 0.5 + 0.4*v, MCC: v - 0.1}
		if !s.Manipulated {
			s.F1Best, s.AUC = math.NaN(), math.NaN()
			s.Flagged = i%10 == 4
		}
		list = append(list, s)
	}
	return list
}

// withPictures adds pictures to look at.
func withPictures(t testing.TB, r *Results) *Results {
	t.Helper()
	for i, why := range []string{Sample, Sample, BestID, WorstID, BestOD, WorstOD} {
		p := Picture{Test: r.Test[i%len(r.Test)], Name: fmt.Sprintf("%04d.jpg", i), Why: why, Image: encoded(t, 160, 120, false), Mask: encoded(t, 160, 120, true)}
		maps := len(r.Train)
		if why != Sample {
			maps = 1
		}
		for k := range maps {
			p.Maps = append(p.Maps, Map{Variant: r.Variants[0], Train: r.Train[k], Image: encoded(t, 160, 120, true), IoU: float64(10 + 20*k), F1: 0.1 + 0.2*float64(k)})
		}
		r.Pictures = append(r.Pictures, p)
	}
	return r
}

func encoded(t testing.TB, w, h int, mask bool) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{uint8(x), uint8(y + 60), 140, 255}
			if mask {
				c = color.RGBA{0, 0, 0, 255}
				if x > w/3 && x < w/2 && y > h/3 && y < 2*h/3 {
					c = color.RGBA{255, 255, 255, 255}
				}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	var err error
	if mask {
		err = png.Encode(&b, m)
	} else {
		err = jpeg.Encode(&b, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
