package main

import (
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process is started again whenever it ends, until the supervisor stops.
type process struct {
	name string
	args []string
	path string
	log  string

	mu   sync.Mutex
	cmd  *exec.Cmd
	hold time.Time // when a process that was killed is started again; zero while none was
}

// supervisor keeps processes running.
type supervisor struct {
	processes []*process
	mu        sync.Mutex
	random    *rand.Rand
	stopped   chan struct{}
	done      sync.WaitGroup
	asked     int // kills
	own       int // ends of processes by themselves, such as by poison
}

func newSupervisor(seed uint64) *supervisor {
	return &supervisor{random: rand.New(rand.NewPCG(seed, 1)), stopped: make(chan struct{})}
}

// add starts a process.
func (s *supervisor) add(dir, name, path string, args ...string) *process {
	p := &process{name: name, path: path, args: args, log: filepath.Join(dir, name+".log")}
	s.processes = append(s.processes, p)
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		s.keep(p)
	}()
	return p
}

// keep starts a process again and again.
func (s *supervisor) keep(p *process) {
	for {
		err := p.start(s.stopped)
		if errors.Is(err, errStopped) {
			return
		}
		if err != nil {
			log.Printf("%s cannot be started: %v", p.name, err)
		} else {
			_ = p.cmd.Wait() // that it was killed is as it should be
		}
		p.mu.Lock()
		killed := !p.hold.IsZero()
		wait := time.Until(p.hold)
		p.hold = time.Time{}
		p.mu.Unlock()
		if !killed {
			s.mu.Lock()
			s.own++
			s.mu.Unlock()
			wait = 500 * time.Millisecond
		}
		select {
		case <-s.stopped:
			return
		case <-time.After(max(wait, 0)):
		}
	}
}

var errStopped = errors.New("the supervisor has stopped")

func (p *process) start(stopped <-chan struct{}) error {
	out, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Stdout, cmd.Stderr = out, out
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-stopped:
		return errStopped
	default:
	}
	p.cmd, p.hold = cmd, time.Time{} // a kill between two lives has hit neither
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	return nil
}

// kill kills a process and has it started again after a while. It leaves one alone that is not
// running.
func (s *supervisor) kill(p *process, after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil || !p.hold.IsZero() {
		return
	}
	p.hold = time.Now().Add(after)
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended at this moment
	s.asked++
}

// pause is how long a killed process stays away.
func (s *supervisor) pause() time.Duration {
	return 500*time.Millisecond + time.Duration(s.random.IntN(4000))*time.Millisecond
}

// strike kills a worker, the dispatcher, a server, or all.
func (s *supervisor) strike(kinds map[string][]*process) string {
	kind := []string{"worker", "worker", "worker", "worker", "worker", "worker", "server", "server", "dispatcher", "all"}[s.random.IntN(10)]
	if kind != "all" {
		list := kinds[kind]
		p := list[s.random.IntN(len(list))]
		s.kill(p, s.pause())
		return p.name
	}
	after := s.pause()
	for _, p := range s.processes {
		s.kill(p, after)
	}
	return kind
}

// stop ends all processes.
func (s *supervisor) stop() {
	close(s.stopped)
	for _, p := range s.processes {
		p.mu.Lock()
		if p.cmd != nil && p.cmd.Process != nil {
			_ = p.cmd.Process.Kill() // it may have ended
		}
		p.mu.Unlock()
	}
	s.done.Wait()
}
