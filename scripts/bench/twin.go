package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// twin is the other side: a Python process that is told what to do, one JSON object a line.
type twin struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	version struct{ Torch, Numpy string } // "" for what it lacks
}

// reply is what the other side answers.
type reply struct {
	Seconds    float64            `json:"seconds"`
	Difference float64            `json:"difference"` // largest, relative to the largest value
	Scores     map[string]float64 `json:"scores"`
	Error      string             `json:"error"`
}

// startTwin starts the other side; without such a Python it is one that lacks everything.
func startTwin(o options) (*twin, error) {
	t := &twin{}
	python, err := exec.LookPath(o.python)
	if err != nil {
		return t, nil
	}
	t.cmd = exec.Command(python, o.twin, strconv.Itoa(o.threads))
	t.cmd.Stderr = os.Stderr
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.out = bufio.NewReader(out)
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	if err := t.read(&t.version); err != nil {
		t.stop()
		return nil, err
	}
	return t, nil
}

func (t *twin) read(to any) error {
	line, err := t.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s ended: %w", t.cmd, err)
	}
	return json.Unmarshal(line, to)
}

// ask has the other side do one thing.
func (t *twin) ask(request map[string]any) (reply, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return reply{}, err
	}
	if _, err := t.in.Write(append(text, '\n')); err != nil {
		return reply{}, err
	}
	var r reply
	if err := t.read(&r); err != nil {
		return reply{}, err
	}
	if r.Error != "" {
		return reply{}, errors.New("the other side: " + r.Error)
	}
	return r, nil
}

// stop ends the process by closing its input.
func (t *twin) stop() {
	if t.cmd != nil {
		t.in.Close()
		_ = t.cmd.Wait() // it has nothing left to say
	}
}
