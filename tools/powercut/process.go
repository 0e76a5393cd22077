package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// nodeLog is the file of the processes' messages.
const nodeLog = "node.log"

// process is a node, which writes notes, or a server.
type process struct {
	cmd   *exec.Cmd
	notes string // file; "" of a server
}

// startProcess starts this program again in a role. Its messages go to a file of dir.
func startProcess(dir, notes string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	messages, err := os.OpenFile(filepath.Join(dir, nodeLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer messages.Close()
	p := &process{cmd: exec.Command(self, args...), notes: notes}
	p.cmd.Stderr = messages
	if notes != "" {
		f, err := os.Create(notes)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		p.cmd.Stdout = f
	}
	return p, p.cmd.Start()
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// end waits for the process, which must have been killed.
func (p *process) end() error {
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
			return nil
		}
	}
	return fmt.Errorf("the process ended by itself: %w", errors.Join(err, errors.New(nodeLog+" has the reason")))
}

// count counts the notes of a kind that the process has written.
func (p *process) count(what string) (int, error) {
	text, err := os.ReadFile(p.notes)
	return bytes.Count(text, []byte(`"what":"`+what+`"`)), err
}

// together does something with all processes.
func together(list []*process, do func(*process) error) func() error {
	return func() error {
		var errs []error
		for _, p := range list {
			errs = append(errs, do(p))
		}
		return errors.Join(errs...)
	}
}
