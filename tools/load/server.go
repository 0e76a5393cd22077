package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/declip/declip"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/tools/memory"
)

// engineAlone is the number of pictures per second that the library localizes, from files to
// results without maps as PNG, with the number of concurrent callers that is fastest.
func engineAlone(d time.Duration, files [][]byte) (best float64, err error) {
	model, err := declip.Open("lite", declip.Options{})
	if err != nil {
		return 0, err
	}
	defer model.Close()
	once := func(i int) error {
		_, err := model.LocalizeReader(context.Background(), bytes.NewReader(files[i%len(files)]))
		return err
	}
	for i := range files { // loads the sessions
		if err := once(i); err != nil {
			return 0, err
		}
	}
	for callers := 1; callers <= 3; callers++ {
		var next atomic.Int64
		var group parallel.Group
		start := time.Now()
		for range callers {
			group.Go(func() error {
				for time.Since(start) < d {
					if err := once(int(next.Add(1))); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return 0, err
		}
		rate := float64(next.Load()) / time.Since(start).Seconds()
		fmt.Printf("engine alone, %d at once: %d pictures, %.3f a second\n", callers, next.Load(), rate)
		best = max(best, rate)
	}
	return best, nil
}

// server is the program in a separate process.
type server struct {
	cmd       *exec.Cmd
	url, addr string
}

func startServer(o options) (*server, error) {
	cmd := exec.Command(o.declip, "serve", "--addr", "127.0.0.1:0", "--log", "off", "--queue", strconv.Itoa(o.queue))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("no output from the server: %w", err)
	}
	_, url, ok := strings.Cut(strings.TrimSpace(line), " at ")
	if !ok {
		return nil, fmt.Errorf("the server says %q", line)
	}
	return &server{cmd, url, strings.TrimPrefix(url, "http://")}, nil
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended with %w", err)
	}
	return nil
}

// status is a size that Linux states for the server, in MB.
func (s *server) status(name string) int {
	return int(memory.Status(strconv.Itoa(s.cmd.Process.Pid), name) >> 20)
}

func (s *server) memory() string {
	return fmt.Sprintf("resident %d MB, at most %d MB", s.status("VmRSS"), s.status("VmHWM"))
}

// sample records the resident memory until ctx ends.
func (s *server) sample(ctx context.Context, every time.Duration) <-chan []int {
	done := make(chan []int, 1)
	go func() {
		var list []int
		for ctx.Err() == nil {
			list = append(list, s.status("VmRSS"))
			select {
			case <-time.After(every):
			case <-ctx.Done():
			}
		}
		done <- list
	}()
	return done
}

// serviceTime is the average time of a picture in the network.
func (s *server) serviceTime() (time.Duration, error) {
	response, err := http.Get(s.url + "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	value := func(name string) (v float64) {
		for line := range strings.SplitSeq(string(text), "\n") {
			if rest, ok := strings.CutPrefix(line, name+`{model="lite",stage="network"} `); ok {
				v, _ = strconv.ParseFloat(rest, 64)
			}
		}
		return v
	}
	seconds := value("declip_stage_seconds_sum") / value("declip_stage_seconds_count")
	return time.Duration(seconds * float64(time.Second)), nil
}
