package engine

import (
	"strconv"
	"sync"
	"testing"
)

// convolutions is a chain of 3x3 convolutions without padding over [1, channels, size, size].
func convolutions(depth, channels, size int) []byte {
	var m testModel
	m.input("x", Float32, 1, channels, size, size)
	m.output("y", Float32, 1, channels, size-2*depth, size-2*depth)
	weights := make([]float32, channels*channels*9)
	for i := range weights {
		weights[i] = float32(i%17-8) / float32(channels*9)
	}
	m.float32s("w", []int{channels, channels, 3, 3}, weights...)
	at := "x"
	for i := range depth {
		next := "c" + strconv.Itoa(i)
		m.node("Conv", next, at, "w")
		m.node("Relu", next+"r", next)
		at = next + "r"
	}
	m.node("Identity", "y", at)
	return m.bytes()
}

// BenchmarkRun compares waiting threads that spin with ones that sleep, without and with Go
// computing between runs.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		name                  string
		depth, channels, size int
	}{{"tiny", 10, 16, 40}, {"small", 10, 32, 96}, {"tile", 6, 32, 512}} {
		model := convolutions(c.depth, c.channels, c.size)
		for _, o := range []struct {
			name string
			SessionOptions
		}{
			{"sleep", SessionOptions{}}, {"spin", SessionOptions{Spin: true}},
			{"sleep-noarena", SessionOptions{NoArena: true}}, {"one-thread", SessionOptions{Threads: 1}},
		} {
			for _, beside := range []bool{false, true} {
				name := c.name + "/" + o.name
				if beside {
					name += "/go-beside"
				}
				b.Run(name, func(b *testing.B) {
					s := load(b, model, o.SessionOptions)
					x, err := NewEmpty(s.Inputs()[0].Shape)
					if err != nil {
						b.Fatal(err)
					}
					y, err := NewEmpty(s.Outputs()[0].Shape)
					if err != nil {
						b.Fatal(err)
					}
					in, out := map[string]*Tensor{"x": x}, map[string]*Tensor{"y": y}
					for b.Loop() {
						if _, err := s.Run(b.Context(), in, out); err != nil {
							b.Fatal(err)
						}
						if beside {
							work(x.Float32s())
						}
					}
				})
			}
		}
	}
}

// work is the computation in Go between runs, on two goroutines.
func work(x []float32) {
	var wg sync.WaitGroup
	for half := range 2 {
		wg.Go(func() {
			for i := half * len(x) / 2; i < (half+1)*len(x)/2; i++ {
				x[i] = x[i]*0.999 + 0.001
			}
		})
	}
	wg.Wait()
}

// BenchmarkLend measures a run that computes almost nothing: the overhead of the binding.
func BenchmarkLend(b *testing.B) {
	s := load(b, affine(), SessionOptions{})
	x, _ := NewEmpty([]int{1, 3})
	y, _ := NewEmpty([]int{1, 3})
	in, out := map[string]*Tensor{"x": x}, map[string]*Tensor{"y": y}
	for b.Loop() {
		if _, err := s.Run(b.Context(), in, out); err != nil {
			b.Fatal(err)
		}
	}
}
