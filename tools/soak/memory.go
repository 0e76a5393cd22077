package main

import (
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/declip/declip/tools/memory"
)

// warming is the time after the first large pictures whose samples do not count. The engine keeps
// what it allocated for the largest pictures that it ran at the same time: two of them for the
// first time in the middle of a run are a step of 110 MB, which looks like growth.
const warming = 20 * time.Second

// samples are measurements of resident memory, separate for each process.
type samples struct {
	mu    sync.Mutex
	began time.Time // when the current process was warm, zero before
	lives [][]sample
	most  float64 // MB, of all samples
}

type sample struct {
	minutes float64 // since the process was warm
	mb      float64
}

// begin begins with a new process, whose samples count when it is warm.
func (s *samples) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began, s.lives = time.Time{}, append(s.lives, nil)
}

// warm says that the current process has had its first large pictures.
func (s *samples) warm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Now().Add(warming)
}

// take measures the memory of the current process.
func (s *samples) take(pid int) {
	resident := float64(memory.Status(strconv.Itoa(pid), "VmRSS")) / (1 << 20)
	if resident == 0 {
		return // it has ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, resident)
	if age := time.Since(s.began); !s.began.IsZero() && age >= 0 {
		last := &s.lives[len(s.lives)-1]
		*last = append(*last, sample{age.Minutes(), resident})
	}
}

// series are every n-th sample of each process, in MB.
func (s *samples) series(n int) (list [][]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, life := range s.lives {
		var mb []int
		for i := 0; i < len(life); i += n {
			mb = append(mb, int(life[i].mb))
		}
		list = append(list, mb)
	}
	return list
}

// growth is the slope of memory over time.
type growth struct {
	slope     float64 // MB a minute
	deviation float64 // standard deviation of slope
	samples   int
	lives     int
}

func (g growth) String() string {
	if g.samples < 3 {
		return "too few samples for a slope"
	}
	return fmt.Sprintf("%+.2f ± %.2f MB a minute, from %d samples of %d processes", g.slope, g.deviation, g.samples, g.lives)
}

// growth fits lines of one slope to the samples of all processes, each with its own offset, by
// least squares.
func (s *samples) growth() growth {
	s.mu.Lock()
	defer s.mu.Unlock()
	var g growth
	var xx, xy, yy float64
	for _, life := range s.lives {
		if len(life) < 3 {
			continue
		}
		n, x, y := float64(len(life)), 0.0, 0.0
		for _, v := range life {
			x, y = x+v.minutes/n, y+v.mb/n
		}
		for _, v := range life {
			xx, xy, yy = xx+(v.minutes-x)*(v.minutes-x), xy+(v.minutes-x)*(v.mb-y), yy+(v.mb-y)*(v.mb-y)
		}
		g.samples, g.lives = g.samples+len(life), g.lives+1
	}
	if free := g.samples - g.lives - 1; free > 0 && xx > 0 {
		g.slope = xy / xx
		g.deviation = math.Sqrt(max(0, yy-g.slope*xy) / float64(free) / xx)
	}
	return g
}
