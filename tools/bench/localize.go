package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/tools/memory"
)

// program measures the whole program: process start, decoding, the network, writing the results.
func program(o options, work, model string) error {
	fmt.Printf("\n%-44s %10s %10s %12s\n", "declip localize, a process each", "seconds", "MP/s", "peak memory")
	for _, c := range []struct {
		width, height, repeats int
		aim                    string
	}{{1152, 868, 5, "1.0 s"}, {4000, 3000, 3, "3 MP/s, 600 MB"}} {
		megapixels := float64(c.width*c.height) / 1e6
		path := filepath.Join(work, fmt.Sprintf("%d.jpg", c.width))
		if err := picture.WriteJPEG(path, render(c.width, c.height), 90); err != nil {
			return err
		}
		var times []time.Duration
		var peaks []float64
		for range c.repeats {
			took, used, err := start(o, "localize", "-m", model, "-o", filepath.Join(work, "out"),
				"--device", "cpu", "--threads", strconv.Itoa(o.threads), path)
			if err != nil {
				return err
			}
			times, peaks = append(times, took), append(peaks, used.peak)
		}
		seconds, memory := median(times).Seconds(), "unknown"
		if peak := median(peaks); peak > 0 {
			memory = fmt.Sprintf("%.0f MB", peak/1e6)
		}
		fmt.Printf("%-44s %10.2f %10.2f %12s  aim on 2 cores: %s\n",
			fmt.Sprintf("%.0f MP, first result", megapixels), seconds, megapixels/seconds, memory, c.aim)
	}
	return nil
}

// start runs the program to its end.
func start(o options, args ...string) (took time.Duration, m used, err error) {
	cmd := exec.Command(o.program, args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(o.threads))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, used{}, err
	}
	stop := watchMemory(cmd.Process.Pid)
	err = cmd.Wait()
	took, m = time.Since(began), stop()
	if err != nil {
		return 0, used{}, fmt.Errorf("%s: %w\n%s", cmd, err, out.Bytes())
	}
	if m.peak == 0 {
		m.peak = float64(memory.Peak(cmd.ProcessState))
	}
	return took, m, nil
}

// render draws waves with grain, which compress about as well as a photograph.
func render(w, h int) *picture.RGB {
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	p := picture.NewRGB(w, h)
	column := make([]float64, w)
	for x := range column {
		column[x] = 40 * math.Sin(float64(x)/37+2*math.Sin(float64(x)/211))
	}
	for y := range h {
		row := 128 + 40*math.Sin(float64(y)/23+2*math.Sin(float64(y)/157))
		for x := range w {
			v := row + column[x] + 12*(r.Float64()-0.5)
			i := 3 * (y*w + x)
			p.Pix[i], p.Pix[i+1], p.Pix[i+2] = uint8(v), uint8(0.8*v+20), uint8(240-0.9*v)
		}
	}
	return p
}
